/* Stand-ins for libcuda.so.1 (compiled with -DCUDA), and libamdhip64.so and libhiprtc.so in one (-DHIP): two devices,
 * and a "kernel" that runs on the CPU. STANDIN_FAULT, or -DFAULT where there is no environment, makes them behave like a
 * driver in trouble. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef CUDA
#define CALL(cuda, hip) cuda
#else
#define CALL(cuda, hip) hip
#endif

#ifndef FAULT
#define FAULT ""
#endif

static int current = -1;
static int is(const char *fault)
{
    const char *wanted = getenv("STANDIN_FAULT");
    return strcmp(wanted ? wanted : FAULT, fault) == 0;
}

int CALL(cuInit, hipInit)(unsigned flags)
{
    (void)flags;
    puts("a driver that talks on standard output {\"begin\":\"nothing\"}");
    if (is("hang"))
        for (;;)
            sleep(1000);
    if (is("crash"))
        *(volatile int *)8 = 1;
    if (is("exit"))
        exit(0);
    return is("no-device") ? 100 : is("unknown") ? 999 : is("mismatch") ? 803 : 0;
}
int CALL(cuDriverGetVersion, hipRuntimeGetVersion)(int *version)
{
    *version = CALL(12080, 60443484);
    return 0;
}
int CALL(cuDeviceGetCount, hipGetDeviceCount)(int *count)
{
    *count = is("none") ? 0 : 2;
    return 0;
}
int CALL(cuDeviceGet, hipDeviceGet)(int *device, int ordinal)
{
    *device = ordinal;
    return 0;
}
int CALL(cuDeviceGetName, hipDeviceGetName)(char *name, int length, int device)
{
    snprintf(name, (size_t)length, "Stand-in %d\033[31m", device);
    return 0;
}
int CALL(cuDeviceGetPCIBusId, hipDeviceGetPCIBusId)(char *name, int length, int device)
{
    snprintf(name, (size_t)length, "0000:C%d:00.0", device);
    return 0;
}
int CALL(cuDeviceGetUuid, hipDeviceGetUuid)(unsigned char *uuid, int device)
{
    memset(uuid, 0x10 + device, 16);
    return 0;
}
int CALL(cuDeviceTotalMem_v2, hipDeviceTotalMem)(size_t *bytes, int device)
{
    (void)device;
    *bytes = (size_t)141 << 30;
    return 0;
}

/* A module is the text that it was loaded from, so that a kernel that is not ours does not run. */
int CALL(cuModuleLoadDataEx, hipModuleLoadDataEx)(void **module, const void *image, unsigned count, int *options,
                                                  void **values)
{
    if (is("jit")) {
        for (unsigned i = 0; i < count; i++)
            if (options[i] == 5)
                strcpy(values[i], "ptxas application ptx input, line 1; fatal : this is a stand-in\n");
        return CALL(218, 200);
    }
    if (!strstr(image, "halolab_proof"))
        return 300;
    *module = strdup(image);
    return 0;
}
int CALL(cuModuleGetFunction, hipModuleGetFunction)(void **function, void *module, const char *name)
{
    *function = module;
    return strcmp(name, "halolab_proof") == 0 && strstr(module, name) ? 0 : 500;
}
int CALL(cuModuleUnload, hipModuleUnload)(void *module)
{
    free(module);
    return 0;
}
int CALL(cuMemAlloc_v2, hipMalloc)(uint64_t *address, size_t size)
{
    if (current < 0)
        return 201;
    *address = (uint64_t)malloc(size);
    return is("memory") ? 2 : 0;
}
int CALL(cuMemFree_v2, hipFree)(uint64_t address)
{
    free((void *)address);
    return 0;
}
int CALL(cuMemcpyHtoD_v2, hipMemcpyHtoD)(uint64_t to, const void *from, size_t size)
{
    memcpy((void *)to, from, size);
    return 0;
}
int CALL(cuMemcpyDtoH_v2, hipMemcpyDtoH)(void *to, uint64_t from, size_t size)
{
    memcpy(to, (void *)from, size);
    return 0;
}
int CALL(cuLaunchKernel, hipModuleLaunchKernel)(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                                unsigned by, unsigned bz, unsigned shared, void *stream,
                                                void **arguments, void **extra)
{
    (void)shared, (void)stream, (void)extra;
    const uint32_t *input = *(uint32_t **)arguments[0];
    uint32_t *output = *(uint32_t **)arguments[1], count = *(uint32_t *)arguments[2], seed = *(uint32_t *)arguments[3];
    if (!function || gy != 1 || gz != 1 || by != 1 || bz != 1)
        return 1;
    if (is("lie"))
        return 0;
    for (uint32_t i = 0; i < gx * bx && i < count; i++) {
        uint32_t x = (input[i] ^ (i * 0x9e3779b9u)) + seed;
        x ^= x >> 16;
        x *= 0x85ebca6bu;
        x ^= x >> 13;
        x *= 0xc2b2ae35u;
        output[i] = x ^ (x >> 16);
    }
    if (is("one-bit") && current == 1)
        output[count - 1] ^= 1;
    if (is("hang-second") && current == 1)
        for (;;)
            sleep(1000);
    return 0;
}
int CALL(cuCtxSynchronize, hipDeviceSynchronize)(void)
{
    return is("ecc") ? 214 : 0;
}

static const char *error_name(int code)
{
    switch (code) {
    case 2: return CALL("CUDA_ERROR_OUT_OF_MEMORY", "hipErrorOutOfMemory");
    case 100: return CALL("CUDA_ERROR_NO_DEVICE", "hipErrorNoDevice");
    case 200: return "hipErrorInvalidImage";
    case 214: return "CUDA_ERROR_ECC_UNCORRECTABLE";
    case 218: return "CUDA_ERROR_INVALID_PTX";
    case 803: return "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH";
    case 999: return CALL("CUDA_ERROR_UNKNOWN", "hipErrorUnknown");
    default: return NULL;
    }
}

#ifdef CUDA
int cuGetErrorName(int code, const char **name)
{
    *name = error_name(code);
    return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    *value = attribute == 75 ? 9 : 0;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device)
{
    *context = (void *)(intptr_t)(device + 1);
    return 0;
}
int cuCtxSetCurrent(void *context)
{
    current = (int)(intptr_t)context - 1;
    return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    current = -1;
    return 0;
}
#else
int hipSetDevice(int device)
{
    current = device;
    return 0;
}
const char *hipGetErrorName(int code)
{
    return error_name(code);
}
int hipGetDevicePropertiesR0600(char *properties, int device)
{
    (void)device;
    memset(properties, 0, 1472);
    strcpy(properties, "Stand-in");
    strcpy(properties + 1160, "gfx90a:sramecc+:xnack-");
    return 0;
}
/* The code of a program is its source. */
int hiprtcCreateProgram(char **program, const char *source, const char *name, int headers, const char **texts,
                        const char **names)
{
    (void)name, (void)headers, (void)texts, (void)names;
    *program = strdup(source);
    return 0;
}
int hiprtcCompileProgram(char *program, int count, const char **options)
{
    if (is("compile") || count != 1 || strcmp(options[0], "--gpu-architecture=gfx90a:sramecc+:xnack-") != 0)
        return 6;
    return strstr(program, "__global__") ? 0 : 6;
}
int hiprtcGetProgramLogSize(char *program, size_t *size)
{
    (void)program;
    *size = sizeof "error: invalid target";
    return 0;
}
int hiprtcGetProgramLog(char *program, char *log)
{
    (void)program;
    strcpy(log, "error: invalid target");
    return 0;
}
int hiprtcGetCodeSize(char *program, size_t *size)
{
    *size = strlen(program) + 1;
    return 0;
}
int hiprtcGetCode(char *program, char *code)
{
    strcpy(code, program);
    return 0;
}
const char *hiprtcGetErrorString(int code)
{
    return code == 6 ? "HIPRTC_ERROR_COMPILATION" : "HIPRTC_ERROR";
}
#endif
