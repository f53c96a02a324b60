// The proof's calculation for HIP, compiled at run time for the GPU that is there.
// The same as in pattern.rs, word by word. No header is included: hiprtc brings what it needs.
extern "C" __global__ void halolab_proof(const unsigned int *input, unsigned int *output, unsigned int count,
                                         unsigned int seed)
{
    unsigned int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= count)
        return;
    unsigned int x = (input[index] ^ (index * 0x9e3779b9u)) + seed;
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    x ^= x >> 16;
    output[index] = x;
}
