//! Without libFuzzer: each target takes its seeds, and bytes that come near to none.
#![cfg(test)]

use std::path::Path;

use tidewire_fuzz::TARGETS;

/// Every seed, and each of its beginnings up to some length.
#[test]
fn z1_seeds() {
    for (name, run) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).expect("each target has seeds") {
            let seed = std::fs::read(entry.unwrap().path()).unwrap();
            for len in 0..seed.len().min(200) {
                run(&seed[..len]);
            }
            run(&seed);
            count += 1;
        }
        assert!(count > 0, "{}", folder.display());
    }
}

/// Noise reaches little of the handshakes, and much of what is built from operations.
#[test]
fn z1_noise() {
    let mut state = 1_u64;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for _ in 0..100 {
        let len = usize::from(noise()) * 4;
        let bytes: Vec<u8> = (0..len).map(|_| noise()).collect();
        for (_, run) in TARGETS {
            run(&bytes);
        }
    }
}

/// The list of targets is that of the folder.
#[test]
fn every_target_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert!(files.iter().eq(TARGETS.iter().map(|(name, _)| name)), "{files:?}");
}
