//! The border of the guest: `submit` and `wait` in, `run` out, and what it says when it dies.

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::PanicInfo;

use crate::json::{write_text, Json};
use crate::{operation, Error, Result};

#[link(wasm_import_module = "pie:inferlet/host@1.0.0")]
extern "C" {
    #[link_name = "submit"]
    fn host_submit(data: *const u8, size: usize);
    #[link_name = "wait"]
    fn host_wait(result: *mut [usize; 2]);
}

#[link(wasm_import_module = "wasi:clocks/monotonic-clock@0.2.0")]
extern "C" {
    #[link_name = "now"]
    fn host_now() -> u64;
}

/// Seconds by a clock that only goes forward.
pub fn monotonic() -> f64 {
    unsafe { host_now() as f64 / 1e9 }
}

/// Hand operations over, as a JSON list.
pub fn submit(operations: &str) {
    unsafe { host_submit(operations.as_ptr(), operations.len()) }
}

/// Suspend until something has completed.
pub fn wait() -> String {
    let mut mail = [0; 2];
    unsafe {
        host_wait(&mut mail);
        String::from_raw_parts(mail[0] as *mut u8, mail[1], mail[1])
    }
}

/// Where the host puts the strings that it gives to the guest.
pub fn allocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    unsafe {
        if old_size == 0 {
            std::alloc::alloc(Layout::from_size_align_unchecked(size.max(1), align))
        } else {
            std::alloc::realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
        }
    }
}

#[repr(C)]
struct Returned {
    failed: u32,
    text: *const u8,
    size: usize,
}

/// Body of the component's export `run`.
pub fn run(main: fn(Json) -> Result<Json>, given: *mut u8, size: usize) -> *const u8 {
    std::panic::set_hook(Box::new(say_panic));
    let given = unsafe { String::from_raw_parts(given, size, size) };
    let outcome = Json::parse(&given).and_then(|given| {
        operation::configure(&given["limits"])?;
        main(given["arguments"].clone())
    });
    let (failed, text) = match outcome {
        Ok(result) => (0, result.to_string()),
        Err(error) => (1, error.describe().to_string()),
    };
    operation::flush();
    let text = text.into_bytes().leak();
    let returned = Returned { failed, text: text.as_ptr(), size: text.len() };
    Box::leak(Box::new(returned)) as *const Returned as *const u8
}

/// A panic cannot return through `run`: say why the guest is about to trap.
fn say_panic(info: &PanicInfo) {
    let payload = info.payload();
    let message = match payload.downcast_ref::<&str>() {
        Some(text) => text.to_string(),
        None => payload.downcast_ref::<String>().cloned().unwrap_or_default(),
    };
    let mut error = Error::new("Panic", &message);
    error.location = info.location().map(|at| (at.file().to_string(), at.line(), at.column()));
    let mut words = String::from("[{\"id\":0,\"op\":\"fail\",\"error\":");
    write_text(&error.describe(), &mut words);
    words.push_str("}]");
    submit(&words);
}

/// Says that memory is exhausted before it aborts, which Rust's own allocator does silently.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const OUT_OF_MEMORY: &str = "[{\"id\":0,\"op\":\"fail\",\"error\":\
    {\"exception\":\"MemoryError\",\"message\":\"out of memory\"}}]";

unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        or_die(System.alloc(layout))
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        System.dealloc(pointer, layout)
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        or_die(System.realloc(pointer, layout, size))
    }
}

fn or_die(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        submit(OUT_OF_MEMORY);
        std::process::abort();
    }
    pointer
}
