//! What this machine is.

/// The architecture, as in targets.json.
pub(crate) fn arch() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { std::env::consts::ARCH }
}

/// Whether the CPU has a feature, by the name of Linux's hwcap.
pub(crate) fn has_feature(name: &str) -> bool {
    #[cfg(target_arch = "aarch64")]
    if name == "asimddp" {
        return std::arch::is_aarch64_feature_detected!("dotprod");
    }
    let _ = name;
    false
}

/// The first three numbers of a version.
pub(crate) fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version.split('.').map(|part| {
        let end = part.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    });
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}
