//! app.
pub mod attach;

/// Stub until the screens arrive.
pub async fn start(_: crate::cli::Setup) -> Result<u8, crate::cli::Stop> {
    Ok(1)
}
