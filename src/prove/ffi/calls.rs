//! The calls that the CUDA driver API and HIP's module API share, under both names.

use std::ffi::{c_char, c_int, c_uint, c_void};

use libloading::Library;

use super::{Fault, function};

pub(super) type OfVersion = unsafe extern "C" fn(*mut c_int) -> c_int;
pub(super) type OfText = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
pub(super) type Name = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
pub(super) type Load =
    unsafe extern "C" fn(*mut Handle, *const c_void, c_uint, *mut c_int, *mut *mut c_void) -> c_int;
pub(super) type Launch = unsafe extern "C" fn(
    Handle,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    c_uint,
    Handle,
    *mut *mut c_void,
    *mut *mut c_void,
) -> c_int;
pub(super) type Handle = *mut c_void;

/// Calls that CUDA and HIP share, under CUDA's names.
pub(super) struct Calls {
    pub(super) init: unsafe extern "C" fn(c_uint) -> c_int,
    pub(super) version: OfVersion,
    pub(super) count: unsafe extern "C" fn(*mut c_int) -> c_int,
    pub(super) device: unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
    pub(super) name: OfText,
    pub(super) pci: OfText,
    pub(super) uuid: unsafe extern "C" fn(*mut [u8; 16], c_int) -> c_int,
    pub(super) memory: unsafe extern "C" fn(*mut usize, c_int) -> c_int,
    pub(super) load: Load,
    pub(super) function: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> c_int,
    pub(super) allocate: unsafe extern "C" fn(*mut u64, usize) -> c_int,
    pub(super) to_device: unsafe extern "C" fn(u64, *const c_void, usize) -> c_int,
    pub(super) launch: Launch,
    pub(super) wait: unsafe extern "C" fn() -> c_int,
    pub(super) from_device: unsafe extern "C" fn(*mut c_void, u64, usize) -> c_int,
    pub(super) free: unsafe extern "C" fn(u64) -> c_int,
    pub(super) unload: unsafe extern "C" fn(Handle) -> c_int,
}

/// Names of the shared calls, for CUDA and HIP, in the order of [`Calls`].
pub(super) const NAMES: [(&str, &str); 17] = [
    ("cuInit", "hipInit"),
    ("cuDriverGetVersion", "hipRuntimeGetVersion"),
    ("cuDeviceGetCount", "hipGetDeviceCount"),
    ("cuDeviceGet", "hipDeviceGet"),
    ("cuDeviceGetName", "hipDeviceGetName"),
    ("cuDeviceGetPCIBusId", "hipDeviceGetPCIBusId"),
    ("cuDeviceGetUuid", "hipDeviceGetUuid"),
    ("cuDeviceTotalMem_v2", "hipDeviceTotalMem"),
    ("cuModuleLoadDataEx", "hipModuleLoadDataEx"),
    ("cuModuleGetFunction", "hipModuleGetFunction"),
    ("cuMemAlloc_v2", "hipMalloc"),
    ("cuMemcpyHtoD_v2", "hipMemcpyHtoD"),
    ("cuLaunchKernel", "hipModuleLaunchKernel"),
    ("cuCtxSynchronize", "hipDeviceSynchronize"),
    ("cuMemcpyDtoH_v2", "hipMemcpyDtoH"),
    ("cuMemFree_v2", "hipFree"),
    ("cuModuleUnload", "hipModuleUnload"),
];

pub(super) fn shared(library: &'static Library, hip: bool) -> Result<Calls, Fault> {
    let mut names = NAMES.iter().map(|(cuda, other)| if hip { *other } else { *cuda });
    let mut next = || names.next().unwrap_or_default();
    // SAFETY: the names are in the order of the fields, and the types those of cuda.h (12.9) and hip_runtime_api.h
    // (6.4); device pointers are 64 bits in both.
    unsafe {
        Ok(Calls {
            init: function(library, next())?,
            version: function(library, next())?,
            count: function(library, next())?,
            device: function(library, next())?,
            name: function(library, next())?,
            pci: function(library, next())?,
            uuid: function(library, next())?,
            memory: function(library, next())?,
            load: function(library, next())?,
            function: function(library, next())?,
            allocate: function(library, next())?,
            to_device: function(library, next())?,
            launch: function(library, next())?,
            wait: function(library, next())?,
            from_device: function(library, next())?,
            free: function(library, next())?,
            unload: function(library, next())?,
        })
    }
}
