//! The CUDA driver API and HIP's module API, which are one: the same calls under other names, with the same
//! arguments. What differs is in [`Rest`].

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    path::PathBuf,
    ptr,
    time::Instant,
};

use libloading::Library;

use super::{Fault, Kind, function, open};
use crate::prove::pattern::BLOCK;

type OfVersion = unsafe extern "C" fn(*mut c_int) -> c_int;
type OfText = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type Name = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
type Load = unsafe extern "C" fn(*mut Handle, *const c_void, c_uint, *mut c_int, *mut *mut c_void) -> c_int;
type Launch = unsafe extern "C" fn(
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
type Handle = *mut c_void;

/// Calls that CUDA and HIP share, under CUDA's names.
struct Calls {
    init: unsafe extern "C" fn(c_uint) -> c_int,
    version: OfVersion,
    count: unsafe extern "C" fn(*mut c_int) -> c_int,
    device: unsafe extern "C" fn(*mut c_int, c_int) -> c_int,
    name: OfText,
    pci: OfText,
    uuid: unsafe extern "C" fn(*mut [u8; 16], c_int) -> c_int,
    memory: unsafe extern "C" fn(*mut usize, c_int) -> c_int,
    load: Load,
    function: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> c_int,
    allocate: unsafe extern "C" fn(*mut u64, usize) -> c_int,
    to_device: unsafe extern "C" fn(u64, *const c_void, usize) -> c_int,
    launch: Launch,
    wait: unsafe extern "C" fn() -> c_int,
    from_device: unsafe extern "C" fn(*mut c_void, u64, usize) -> c_int,
    free: unsafe extern "C" fn(u64) -> c_int,
    unload: unsafe extern "C" fn(Handle) -> c_int,
}

/// Names of the shared calls, for CUDA and HIP, in the order of [`Calls`].
const NAMES: [(&str, &str); 17] = [
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

/// Calls that differ.
enum Rest {
    Cuda {
        attribute: unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int,
        retain: unsafe extern "C" fn(*mut Handle, c_int) -> c_int,
        current: unsafe extern "C" fn(Handle) -> c_int,
        release: unsafe extern "C" fn(c_int) -> c_int,
        error_name: Name,
    },
    Hip {
        current: unsafe extern "C" fn(c_int) -> c_int,
        properties: unsafe extern "C" fn(*mut c_void, c_int) -> c_int,
        error_name: unsafe extern "C" fn(c_int) -> *const c_char,
        compiler: Compiler,
    },
}

/// HIP's compiler.
struct Compiler {
    create: unsafe extern "C" fn(
        *mut Handle,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int,
    compile: unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> c_int,
    log_size: unsafe extern "C" fn(Handle, *mut usize) -> c_int,
    log: unsafe extern "C" fn(Handle, *mut c_char) -> c_int,
    code_size: unsafe extern "C" fn(Handle, *mut usize) -> c_int,
    code: unsafe extern "C" fn(Handle, *mut c_char) -> c_int,
    error_name: unsafe extern "C" fn(c_int) -> *const c_char,
}

/// An opened driver library.
pub(in crate::prove) struct Driver {
    calls: Calls,
    rest: Rest,
}

/// What a driver says of a device.
#[derive(Debug, Default)]
pub(in crate::prove) struct Description {
    pub(in crate::prove) name: String,
    pub(in crate::prove) pci: String,
    pub(in crate::prove) uuid: [u8; 16],
    pub(in crate::prove) arch: String,
    pub(in crate::prove) memory: u64,
}

/// Room for `hipDeviceProp_t`, whose size differs between versions (1472 bytes in `ROCm` 6 and 7).
const PROPERTIES: usize = 16 * 1024;

const CU_JIT_ERROR_LOG_BUFFER: c_int = 5;
const CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES: c_int = 6;
const COMPUTE_CAPABILITY_MAJOR: c_int = 75;
const COMPUTE_CAPABILITY_MINOR: c_int = 76;

impl Driver {
    /// The CUDA driver.
    pub(in crate::prove) fn cuda(candidates: &[PathBuf]) -> Result<Self, Fault> {
        let (library, _) = open(candidates)?;
        // SAFETY: names and types are those of cuda.h (12.9).
        let rest = unsafe {
            Rest::Cuda {
                attribute: function(library, "cuDeviceGetAttribute")?,
                retain: function(library, "cuDevicePrimaryCtxRetain")?,
                current: function(library, "cuCtxSetCurrent")?,
                release: function(library, "cuDevicePrimaryCtxRelease_v2")?,
                error_name: function(library, "cuGetErrorName")?,
            }
        };
        let calls = shared(library, false)?;
        Ok(Self { calls, rest })
    }

    /// HIP's runtime and compiler; `compilers` says where the compiler of a runtime may be.
    pub(in crate::prove) fn hip(
        candidates: &[PathBuf],
        compilers: impl Fn(&std::path::Path) -> Vec<PathBuf>,
    ) -> Result<Self, Fault> {
        let (library, path) = open(candidates)?;
        let calls = shared(library, true)?;
        let (rtc, _) = open(&compilers(&path)).map_err(|fault| Fault {
            // The runtime is there: without its compiler the machine is not without HIP, but broken.
            kind: Kind::Refused,
            ..fault
        })?;
        // SAFETY: names and types are those of hip_runtime_api.h and hiprtc.h (ROCm 5 to 7).
        let rest = unsafe {
            Rest::Hip {
                current: function(library, "hipSetDevice")?,
                // ROCm 6 and later; before, the older layout under the plain name.
                properties: function(library, "hipGetDevicePropertiesR0600")
                    .or_else(|_| function(library, "hipGetDeviceProperties"))?,
                error_name: function(library, "hipGetErrorName")?,
                compiler: Compiler {
                    create: function(rtc, "hiprtcCreateProgram")?,
                    compile: function(rtc, "hiprtcCompileProgram")?,
                    log_size: function(rtc, "hiprtcGetProgramLogSize")?,
                    log: function(rtc, "hiprtcGetProgramLog")?,
                    code_size: function(rtc, "hiprtcGetCodeSize")?,
                    code: function(rtc, "hiprtcGetCode")?,
                    error_name: function(rtc, "hiprtcGetErrorString")?,
                },
            }
        };
        Ok(Self { calls, rest })
    }

    fn is_hip(&self) -> bool {
        matches!(self.rest, Rest::Hip { .. })
    }

    /// An answer as a result; `call` is CUDA's name.
    fn done(&self, call: &str, code: c_int) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        let name = NAMES
            .iter()
            .find(|(cuda, _)| *cuda == call)
            .map_or(call, |(cuda, hip)| if self.is_hip() { hip } else { cuda });
        let mut text = ptr::null();
        match &self.rest {
            // SAFETY: writes a pointer to a string of the library, or leaves null.
            Rest::Cuda { error_name, .. } => unsafe {
                error_name(code, &raw mut text);
            },
            // SAFETY: answers a string of the library.
            Rest::Hip { error_name, .. } => text = unsafe { error_name(code) },
        }
        Err(Fault::new(name, code.into(), string(text)))
    }

    /// Starts the driver.
    pub(in crate::prove) fn init(&self) -> Result<(), Fault> {
        // SAFETY: takes flags, which must be 0.
        self.done("cuInit", unsafe { (self.calls.init)(0) })
    }

    /// Version of the interface: 12080 is CUDA 12.8.
    pub(in crate::prove) fn version(&self) -> Result<i32, Fault> {
        self.number("cuDriverGetVersion", self.calls.version)
    }

    /// How many devices there are.
    pub(in crate::prove) fn count(&self) -> Result<i32, Fault> {
        self.number("cuDeviceGetCount", self.calls.count)
    }

    fn number(&self, call: &str, function: OfVersion) -> Result<i32, Fault> {
        let mut number = 0;
        // SAFETY: writes one int.
        self.done(call, unsafe { function(&raw mut number) })?;
        Ok(number)
    }

    fn device(&self, ordinal: i32) -> Result<c_int, Fault> {
        let mut device = 0;
        // SAFETY: writes one int.
        self.done("cuDeviceGet", unsafe {
            (self.calls.device)(&raw mut device, ordinal)
        })?;
        Ok(device)
    }

    /// What the driver says of device `ordinal`; what it does not say stays empty.
    pub(in crate::prove) fn describe(&self, ordinal: i32) -> Result<Description, Fault> {
        let device = self.device(ordinal)?;
        let (mut uuid, mut memory) = ([0; 16], 0_usize);
        let name = self.text("cuDeviceGetName", self.calls.name, device)?;
        // SAFETY: writes one size_t.
        self.done("cuDeviceTotalMem_v2", unsafe {
            (self.calls.memory)(&raw mut memory, device)
        })?;
        // SAFETY: writes 16 bytes. A driver without it is no failure.
        let _ = unsafe { (self.calls.uuid)(&raw mut uuid, device) };
        Ok(Description {
            name,
            pci: self
                .text("cuDeviceGetPCIBusId", self.calls.pci, device)
                .unwrap_or_default()
                .to_lowercase(),
            uuid,
            arch: self.arch(device)?,
            memory: memory as u64,
        })
    }

    fn text(&self, call: &str, function: OfText, device: c_int) -> Result<String, Fault> {
        let mut buffer = [0_u8; 256];
        // SAFETY: writes at most 255 bytes; the last one stays 0.
        let code = unsafe { function(buffer.as_mut_ptr().cast(), 255, device) };
        self.done(call, code)?;
        Ok(until_nul(&buffer))
    }

    /// `sm_90`, or the target that HIP's compiler takes: `gfx1151`.
    fn arch(&self, device: c_int) -> Result<String, Fault> {
        match &self.rest {
            Rest::Cuda { attribute, .. } => {
                let (mut major, mut minor) = (0, 0);
                // SAFETY: each writes one int.
                unsafe {
                    let code = attribute(&raw mut major, COMPUTE_CAPABILITY_MAJOR, device);
                    self.done("cuDeviceGetAttribute", code)?;
                    let code = attribute(&raw mut minor, COMPUTE_CAPABILITY_MINOR, device);
                    self.done("cuDeviceGetAttribute", code)?;
                }
                Ok(format!("sm_{major}{minor}"))
            }
            Rest::Hip { properties, .. } => {
                let mut buffer = vec![0_u64; PROPERTIES / 8];
                // SAFETY: writes the structure of its version, which is far smaller than the buffer and aligned to 8.
                let code = unsafe { properties(buffer.as_mut_ptr().cast(), device) };
                self.done("hipGetDeviceProperties", code)?;
                let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_ne_bytes()).collect();
                target(&bytes)
                    .ok_or_else(|| Fault::new("hipGetDeviceProperties", 0, "the device names no gfx target"))
            }
        }
    }

    /// Loads the kernel on device `ordinal`, runs it twice, and answers what it wrote and the milliseconds of the
    /// second run. `code` is PTX, or HIP source for `arch`.
    pub(in crate::prove) fn run(
        &self,
        ordinal: i32,
        arch: &str,
        code: &CStr,
        (input, seed): (&[u32], u32),
    ) -> Result<(Vec<u32>, f64), Fault> {
        let device = self.device(ordinal)?;
        self.enter(device)?;
        let image = match &self.rest {
            Rest::Cuda { .. } => code.to_bytes_with_nul().to_vec(),
            Rest::Hip { compiler, .. } => compiler.compile(code, arch)?,
        };
        let module = self.load(&image)?;
        let mut kernel = ptr::null_mut();
        // SAFETY: writes one handle; the name is a C string.
        self.done("cuModuleGetFunction", unsafe {
            (self.calls.function)(&raw mut kernel, module, c"halolab_proof".as_ptr())
        })?;
        let ran = self.calculate(kernel, input, seed)?;
        // SAFETY: the module is ours and nothing of it runs any more.
        self.done("cuModuleUnload", unsafe { (self.calls.unload)(module) })?;
        if let Rest::Cuda { release, .. } = &self.rest {
            // SAFETY: gives back what `enter` took.
            self.done("cuDevicePrimaryCtxRelease_v2", unsafe { release(device) })?;
        }
        Ok(ran)
    }

    /// Makes the device the one that later calls mean.
    fn enter(&self, device: c_int) -> Result<(), Fault> {
        match &self.rest {
            Rest::Cuda { retain, current, .. } => {
                let mut context = ptr::null_mut();
                // SAFETY: writes one handle, which the second call is given.
                unsafe {
                    self.done("cuDevicePrimaryCtxRetain", retain(&raw mut context, device))?;
                    self.done("cuCtxSetCurrent", current(context))
                }
            }
            // SAFETY: takes a device number.
            Rest::Hip { current, .. } => self.done("hipSetDevice", unsafe { current(device) }),
        }
    }

    fn load(&self, image: &[u8]) -> Result<Handle, Fault> {
        let mut module = ptr::null_mut();
        let mut log = vec![0_u8; 4096];
        let mut options = [CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        // The size is passed in the pointer's place; the last byte stays 0.
        let mut values = [
            log.as_mut_ptr().cast(),
            ptr::without_provenance_mut(log.len() - 1),
        ];
        let count = if self.is_hip() { 0 } else { 2 };
        // SAFETY: the image ends with 0 (PTX) or knows its length (ELF); options and values have `count` elements, and
        // the log has the size that it is said to have.
        let code = unsafe {
            (self.calls.load)(
                &raw mut module,
                image.as_ptr().cast(),
                count,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        self.done("cuModuleLoadDataEx", code).map_err(|fault| {
            let said = until_nul(&log);
            let said = said.trim();
            let error = if said.is_empty() {
                fault.error.clone()
            } else {
                format!("{}: {said}", fault.error)
            };
            Fault { error, ..fault }
        })?;
        Ok(module)
    }

    fn calculate(&self, kernel: Handle, input: &[u32], seed: u32) -> Result<(Vec<u32>, f64), Fault> {
        let size = size_of_val(input);
        let (mut given, mut found) = (0_u64, 0_u64);
        let mut output = vec![0_u32; input.len()];
        // SAFETY: the driver writes two addresses of its own memory of `size` bytes each, which `output` and `input`
        // have too.
        unsafe {
            self.done("cuMemAlloc_v2", (self.calls.allocate)(&raw mut given, size))?;
            self.done("cuMemAlloc_v2", (self.calls.allocate)(&raw mut found, size))?;
            self.done(
                "cuMemcpyHtoD_v2",
                (self.calls.to_device)(given, input.as_ptr().cast(), size),
            )?;
            // What comes back must have been written by the kernel.
            self.done(
                "cuMemcpyHtoD_v2",
                (self.calls.to_device)(found, output.as_ptr().cast(), size),
            )?;
        }
        self.launch(kernel, (given, found), input.len(), seed)?;
        let clock = Instant::now();
        self.launch(kernel, (given, found), input.len(), seed)?;
        let milliseconds = clock.elapsed().as_secs_f64() * 1000.0;
        // SAFETY: as above; nothing on the device uses the memory any more.
        unsafe {
            self.done(
                "cuMemcpyDtoH_v2",
                (self.calls.from_device)(output.as_mut_ptr().cast(), found, size),
            )?;
            self.done("cuMemFree_v2", (self.calls.free)(given))?;
            self.done("cuMemFree_v2", (self.calls.free)(found))?;
        }
        Ok((output, milliseconds))
    }

    /// Runs the kernel over all elements and waits for its end.
    fn launch(&self, kernel: Handle, memory: (u64, u64), length: usize, seed: u32) -> Result<(), Fault> {
        let (mut given, mut found) = memory;
        let (mut count, mut seed) = (u32::try_from(length).unwrap_or(u32::MAX), seed);
        let blocks = count.div_ceil(BLOCK);
        let mut arguments: [*mut c_void; 4] = [
            (&raw mut given).cast(),
            (&raw mut found).cast(),
            (&raw mut count).cast(),
            (&raw mut seed).cast(),
        ];
        let none = ptr::null_mut();
        // SAFETY: the kernel takes these four arguments, which live until it has ended; it writes `count` elements,
        // which the memory has.
        unsafe {
            let code = (self.calls.launch)(
                kernel,
                blocks,
                1,
                1,
                BLOCK,
                1,
                1,
                0,
                none,
                arguments.as_mut_ptr(),
                ptr::null_mut(),
            );
            self.done("cuLaunchKernel", code)?;
            self.done("cuCtxSynchronize", (self.calls.wait)())
        }
    }
}

fn shared(library: &'static Library, hip: bool) -> Result<Calls, Fault> {
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

impl Compiler {
    fn done(&self, call: &str, code: c_int) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: answers a string of the library.
        let text = unsafe { (self.error_name)(code) };
        Err(Fault::new(call, code.into(), string(text)))
    }

    /// Compiles HIP source for a target; its messages are in the fault.
    fn compile(&self, source: &CStr, arch: &str) -> Result<Vec<u8>, Fault> {
        let mut program = ptr::null_mut();
        let option: Vec<u8> = format!("--gpu-architecture={arch}\0").into_bytes();
        let options = [option.as_ptr().cast::<c_char>()];
        let mut size = 0_usize;
        // SAFETY: source, name and option are C strings that live through the calls; there are no headers.
        unsafe {
            let (name, none) = (c"halolab_proof.hip".as_ptr(), ptr::null());
            let code = (self.create)(&raw mut program, source.as_ptr(), name, 0, none, none);
            self.done("hiprtcCreateProgram", code)?;
            let code = (self.compile)(program, 1, options.as_ptr());
            self.done("hiprtcCompileProgram", code).map_err(|fault| Fault {
                error: format!("{}: {}", fault.error, self.said(program)),
                ..fault
            })?;
            self.done("hiprtcGetCodeSize", (self.code_size)(program, &raw mut size))?;
        }
        let mut code = vec![0_u8; size];
        // SAFETY: writes as many bytes as it said.
        self.done("hiprtcGetCode", unsafe {
            (self.code)(program, code.as_mut_ptr().cast())
        })?;
        Ok(code)
    }

    fn said(&self, program: Handle) -> String {
        let mut size = 0_usize;
        // SAFETY: writes one size_t.
        if unsafe { (self.log_size)(program, &raw mut size) } != 0 {
            return String::new();
        }
        let mut log = vec![0_u8; size.saturating_add(1)];
        // SAFETY: writes as many bytes as it said.
        if unsafe { (self.log)(program, log.as_mut_ptr().cast()) } != 0 {
            return String::new();
        }
        until_nul(&log)
    }
}

/// A string of a library; it may be null.
fn string(text: *const c_char) -> String {
    if text.is_null() {
        return "an error without a name".to_owned();
    }
    // SAFETY: not null, and the libraries answer static strings here.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

fn until_nul(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).trim().to_owned()
}

/// The gfx target in `hipDeviceProp_t`, whatever its version: the only string in it besides the name, which is first
/// and 256 bytes long. `gfx90a:sramecc+:xnack-` is what the compiler takes, features included.
fn target(properties: &[u8]) -> Option<String> {
    let rest = properties.get(256..)?;
    let start = memchr::memmem::find(rest, b"gfx")?;
    let text = until_nul(rest.get(start..)?);
    let plain = |c: char| c.is_ascii_alphanumeric() || ":+-".contains(c);
    (text.len() < 64 && text.chars().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_found_wherever_it_is() {
        let mut bytes = vec![0_u8; 1472];
        bytes[..7].copy_from_slice(b"gfx9999");
        assert_eq!(target(&bytes), None);
        bytes[1160..1182].copy_from_slice(b"gfx90a:sramecc+:xnack-");
        assert_eq!(target(&bytes).as_deref(), Some("gfx90a:sramecc+:xnack-"));
        bytes[1164] = b'\n';
        assert_eq!(target(&bytes), None);
    }
}
