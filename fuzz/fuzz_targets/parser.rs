#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = canary_fuzz::parser(text);
});
