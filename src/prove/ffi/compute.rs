//! The CUDA driver API and HIP's module API, which are one: the same calls under other names, with the same
//! arguments. What differs is in [`Rest`].

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::PathBuf,
    ptr,
    time::Instant,
};

use super::{
    Fault, Kind,
    calls::{Calls, Handle, NAMES, Name, OfText, OfVersion, shared},
    compiler::Compiler,
    function, open, string, until_nul,
};
use crate::prove::pattern::BLOCK;

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
                compiler: Compiler::of(rtc)?,
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
