//! HIP's compiler for code that is made at run time: hiprtc.

use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
};

use libloading::Library;

use super::{Fault, calls::Handle, function, string, until_nul};

/// HIP's compiler.
pub(super) struct Compiler {
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

impl Compiler {
    pub(super) fn of(library: &'static Library) -> Result<Self, Fault> {
        // SAFETY: names and types are those of hiprtc.h (ROCm 5 to 7).
        unsafe {
            Ok(Self {
                create: function(library, "hiprtcCreateProgram")?,
                compile: function(library, "hiprtcCompileProgram")?,
                log_size: function(library, "hiprtcGetProgramLogSize")?,
                log: function(library, "hiprtcGetProgramLog")?,
                code_size: function(library, "hiprtcGetCodeSize")?,
                code: function(library, "hiprtcGetCode")?,
                error_name: function(library, "hiprtcGetErrorString")?,
            })
        }
    }

    fn done(&self, call: &str, code: c_int) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: answers a string of the library.
        let text = unsafe { (self.error_name)(code) };
        Err(Fault::new(call, code.into(), string(text)))
    }

    /// Compiles HIP source for a target; its messages are in the fault.
    pub(super) fn compile(&self, source: &CStr, arch: &str) -> Result<Vec<u8>, Fault> {
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
