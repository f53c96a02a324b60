// The proof's calculation for Vulkan; the same as in pattern.rs, word by word. Embedded is its SPIR-V:
//   glslangValidator -V --target-env vulkan1.0 -o proof.spv proof.comp
#version 450
layout(local_size_x = 256) in;
layout(std430, binding = 0) readonly buffer Input { uint given[]; };
layout(std430, binding = 1) writeonly buffer Output { uint found[]; };
layout(push_constant) uniform Numbers { uint count; uint seed; };

void main()
{
    uint index = gl_GlobalInvocationID.x;
    if (index >= count)
        return;
    uint x = (given[index] ^ (index * 0x9e3779b9u)) + seed;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x ^= x >> 16;
    found[index] = x;
}
