#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mon_fuzz::run("yaml", input));
