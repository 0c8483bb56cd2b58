#![no_main]
libfuzzer_sys::fuzz_target!(|data: &str| {
    canary_fuzz::recordings::text(data);
});
