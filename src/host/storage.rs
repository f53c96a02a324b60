//! The storage pool that labs live on: which driver, and how large.

const GIB: u64 = 1 << 30;

/// The smallest pool that is made: a base image, a lab and a safety snapshot.
const SMALLEST: u64 = 20 * GIB;

/// Room left for the system itself.
const RESERVE: u64 = 5 * GIB;

/// Bytes of the pool's loop file for labs that need `lab_needs` bytes, on a disk with `free_disk` free ones
/// (0: unknown). Whole GiB; 0 where there is no room for a pool at all.
///
/// The need counts half again, because a recreate keeps the former lab until the new one is proven. The
/// file is sparse, so what labs do not use costs nothing, but it never promises more than the disk has.
pub fn pool_size(free_disk: u64, lab_needs: u64) -> u64 {
    let wanted = lab_needs.saturating_add(lab_needs / 2).max(SMALLEST);
    let room = if free_disk == 0 {
        wanted
    } else {
        free_disk.saturating_sub(RESERVE.min(free_disk / 5))
    };
    let whole = |bytes: u64| bytes / GIB * GIB;
    whole(wanted.saturating_add(GIB - 1)).min(whole(room))
}

/// The best driver of those that the daemon has: copy-on-write first, plain folders last.
pub fn pool_driver<S: AsRef<str>>(drivers: &[S]) -> &'static str {
    ["btrfs", "zfs"]
        .into_iter()
        .find(|wanted| {
            drivers
                .iter()
                .any(|driver| driver.as_ref().split_whitespace().next() == Some(wanted))
        })
        .unwrap_or("dir")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pool_holds_its_labs_and_their_former_selves() {
        assert_eq!(pool_size(500 * GIB, 40 * GIB), 60 * GIB);
        assert_eq!(pool_size(500 * GIB, 0), SMALLEST);
        assert_eq!(pool_size(0, 100 * GIB), 150 * GIB);
        assert_eq!(pool_size(30 * GIB, 100 * GIB), 25 * GIB);
        assert_eq!(pool_size(GIB / 2, 100 * GIB), 0);
    }

    #[test]
    fn copy_on_write_comes_first() {
        assert_eq!(pool_driver(&["dir", "zfs", "btrfs"]), "btrfs");
        assert_eq!(pool_driver(&["dir", "zfs 2.1"]), "zfs");
        assert_eq!(pool_driver(&["lvm"]), "dir");
    }

    proptest! {
        #[test]
        fn a_pool_is_whole_and_fits(free in 1_u64.., needs: u64) {
            let size = pool_size(free, needs);
            prop_assert!(size <= free);
            prop_assert_eq!(size % GIB, 0);
        }
    }
}
