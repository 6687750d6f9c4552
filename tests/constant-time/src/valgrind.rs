//! Requests to the valgrind that runs this program (valgrind.h, "client requests").
//!
//! A request is a sequence of instructions that changes nothing, and that valgrind knows. Without valgrind it gives its
//! default.

use std::{arch::asm, ptr};

/// Asks for `code`, of which `arguments` are given, and takes `default` if nobody answers.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn ask(default: usize, code: usize, arguments: [usize; 3]) -> usize {
    let [first, second, third] = arguments;
    let block = [code, first, second, third, 0, 0];
    let mut answer = default;
    // SAFETY: The rotations add up to 128 bits, which leaves rdi as it was, and an exchange of rbx with itself changes
    // nothing either. Valgrind reads `block`, which lives until then, and writes rdx.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") block.as_ptr(),
            inout("rdx") answer,
            inout("rdi") 0_usize => _,
        );
    }
    answer
}

const COUNT_ERRORS: usize = 0x1201;
const CHANGE_ERR_DISABLEMENT: usize = 0x1801;
const MEMCHECK: usize = 0x4d43_0000; // 'M' 'C'
const MAKE_MEM_UNDEFINED: usize = MEMCHECK + 1;
const MAKE_MEM_DEFINED: usize = MEMCHECK + 2;
const GET_VBITS: usize = MEMCHECK + 8;

/// How often memcheck has reported something so far.
#[must_use]
pub fn reports() -> usize {
    ask(0, COUNT_ERRORS, [0; 3])
}

/// Has memcheck report nothing of what `run` does.
pub fn unreported<T>(run: impl FnOnce() -> T) -> T {
    ask(0, CHANGE_ERR_DISABLEMENT, [1, 0, 0]);
    let result = run();
    ask(0, CHANGE_ERR_DISABLEMENT, [usize::MAX, 0, 0]); // one less
    result
}

/// Has memcheck report whatever depends on the bytes of `value`, as a jump or as an address.
pub fn mark<T: ?Sized>(value: &T) {
    ask(0, MAKE_MEM_UNDEFINED, [ptr::from_ref(value).addr(), size_of_val(value), 0]);
}

/// `value`, marked.
#[must_use]
pub fn marked(value: usize) -> usize {
    mark(&value);
    // SAFETY: It is a number of this function's. The compiler does not know that it has changed in valgrind's eyes.
    unsafe { ptr::read_volatile(&raw const value) }
}

/// Takes the mark off: what `value` tells may be told.
pub fn declare_public<T: ?Sized>(value: &T) {
    ask(0, MAKE_MEM_DEFINED, [ptr::from_ref(value).addr(), size_of_val(value), 0]);
}

/// Whether memcheck runs this program, and keeps track of marks.
#[must_use]
pub fn is_memcheck() -> bool {
    let (value, marks) = (0_u64, 0_u64);
    mark(&value);
    let known = ask(0, GET_VBITS, [ptr::from_ref(&value).addr(), ptr::from_ref(&marks).addr(), size_of_val(&value)]);
    declare_public(&value);
    // SAFETY: `marks` is a number of this function's; valgrind may have written it behind the compiler's back.
    known == 1 && unsafe { ptr::read_volatile(&raw const marks) } == u64::MAX
}
