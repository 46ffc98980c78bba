#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| tp0_fuzz::check(tp0::config::yaml::parse, text));
