//! Memory that a file is read to at full speed.

use std::{fs::File, io, ops::Deref};

/// Where the bytes begin: at a multiple of this. The allocator gives multiples of 16, and the kernel's copy to such a
/// place takes five times as long on an AMD EPYC: 1 GB by 64 KiB to 1 MiB in 440 to 570 ms, against 90 to 100 at
/// multiples of 32 and 64 (`pread` of cached pages, measured 2026-11-23).
const ALIGN: usize = 64;

/// Bytes of a file. They are not cleared before the file fills them: a scan pays as much for that as for searching.
#[derive(Debug, Default)]
pub struct Room {
    bytes: Vec<u8>,
    /// Bytes before those that count.
    lead: usize,
}

impl Room {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            bytes: vec![],
            lead: 0,
        }
    }

    /// The `count` bytes of a file from `start` on, as far as there are any, instead of what was there.
    ///
    /// # Errors
    /// The file cannot be read; what came before is there.
    pub fn read(&mut self, file: &File, start: u64, count: usize) -> io::Result<()> {
        let room = count.saturating_add(ALIGN);
        self.bytes.clear();
        self.bytes.reserve_exact(room);
        self.lead = self.bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        self.bytes.resize(self.lead, 0);
        let fault = loop {
            if self.len() >= count {
                break Ok(());
            }
            let at = start + self.len() as u64;
            match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut self.bytes), at) {
                Ok(0) => break Ok(()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => break Err(error.into()),
            }
        };
        self.truncate(count);
        fault
    }

    /// Forgets all but the first bytes.
    pub fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.lead.saturating_add(count));
    }

    /// To add to the bytes; what is before them stays.
    pub const fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Deref for Room {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.lead..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_holds_what_was_read_last_at_a_place_that_is_copied_to_quickly() {
        let mut path = std::env::temp_dir();
        path.push(format!("halolab-room-{}", std::process::id()));
        let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &content).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut room = Room::new();
        for (start, count) in [
            (0, 70_000),
            (5, 3),
            (1, 200_000),
            (299_990, 64),
            (400_000, 10),
            (7, 0),
        ] {
            room.read(&file, start, count).unwrap();
            let from = content.len().min(usize::try_from(start).unwrap());
            let wanted = &content[from..content.len().min(from + count)];
            assert!(*room == *wanted, "{start} {count}");
            assert_eq!(room.as_ptr().addr() % ALIGN, 0);
            room.truncate(2);
            room.end().extend_from_slice(b"more");
            assert_eq!(*room, [&wanted[..wanted.len().min(2)], b"more"].concat());
        }
    }
}
