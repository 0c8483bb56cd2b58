#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| canary_fuzz::formatter(text));
