//! Requests of this program to valgrind (valgrind.h, "client requests").
//!
//! A request is a sequence of instructions that valgrind recognises. Without valgrind, it changes nothing, and its result is
//! the default.

use std::{arch::asm, ptr};

/// Sends the request `code` with `arguments`, and returns `default` without valgrind.
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

/// Returns the number of memcheck's reports so far.
pub fn reports() -> usize {
    ask(0, COUNT_ERRORS, [0; 3])
}

/// Disables memcheck's reports during `run`.
pub fn unreported<T>(run: impl FnOnce() -> T) -> T {
    ask(0, CHANGE_ERR_DISABLEMENT, [1, 0, 0]);
    let result = run();
    ask(0, CHANGE_ERR_DISABLEMENT, [usize::MAX, 0, 0]); // decrements the counter
    result
}

/// Marks the bytes of `value`, so that memcheck reports each jump and each address that depends on them.
pub fn mark<T: ?Sized>(value: &T) {
    ask(0, MAKE_MEM_UNDEFINED, [ptr::from_ref(value).addr(), size_of_val(value), 0]);
}

/// Returns `value` with a mark.
pub fn marked(value: usize) -> usize {
    mark(&value);
    // SAFETY: The pointer is to a local number. The read is volatile because the compiler does not know about the mark.
    unsafe { ptr::read_volatile(&raw const value) }
}

/// Removes the mark of `value`, which may become public.
pub fn declare_public<T: ?Sized>(value: &T) {
    ask(0, MAKE_MEM_DEFINED, [ptr::from_ref(value).addr(), size_of_val(value), 0]);
}

/// Returns whether memcheck runs this program and tracks marks.
pub fn is_memcheck() -> bool {
    let (value, marks) = (0_u64, 0_u64);
    mark(&value);
    let known = ask(0, GET_VBITS, [ptr::from_ref(&value).addr(), ptr::from_ref(&marks).addr(), size_of_val(&value)]);
    declare_public(&value);
    // SAFETY: The pointer is to a local number. Valgrind may have written it without the compiler's knowledge.
    known == 1 && unsafe { ptr::read_volatile(&raw const marks) } == u64::MAX
}
