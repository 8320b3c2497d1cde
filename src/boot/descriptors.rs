//! Passing messages and open sockets between processes over a Unix socket.
//!
//! A message is its length (32 bits, little endian) and that many bytes of JSON. Sockets follow in
//! messages of one byte each, as many at a time as the system takes.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The system passes up to 253 descriptors at a time.
const AT_ONCE: usize = 64;
/// A message that is longer is none of ours.
const MAX_MESSAGE: u32 = 1 << 30;

/// Writes a message.
///
/// # Errors
/// What the system says.
pub(super) fn send<T: Serialize>(stream: &mut UnixStream, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length <= MAX_MESSAGE)
        .ok_or(io::ErrorKind::InvalidData)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(&body)
}

/// Reads a message.
///
/// # Errors
/// What the system says; also when what comes is no such message.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // Grows with what comes, not with what was announced.
    let mut body = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Passes sockets on; they stay open here.
///
/// # Errors
/// What the system says.
pub(super) fn send_sockets(stream: &UnixStream, sockets: &[impl AsFd]) -> io::Result<()> {
    for some in sockets.chunks(AT_ONCE) {
        let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&some)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        sendmsg(
            stream,
            &[IoSlice::new(b"s")],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

/// Takes so many sockets over.
///
/// # Errors
/// What the system says; also when fewer come.
pub(super) fn receive_sockets(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    while sockets.len() < count {
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let read = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut byte)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let before = sockets.len();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                sockets.extend(more);
            }
        }
        if read.bytes == 0 || sockets.len() == before {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_sockets_arrive_in_order() -> io::Result<()> {
        let (mut here, mut there) = UnixStream::pair()?;
        let files = (0..AT_ONCE + 3)
            .map(|_| tempfile::tempfile())
            .collect::<io::Result<Vec<_>>>()?;
        for (number, mut file) in files.iter().enumerate() {
            write!(file, "{number}")?;
        }
        let writer = std::thread::spawn(move || {
            send(&mut here, &"first")?;
            send_sockets(&here, &files)?;
            send(&mut here, &"last")
        });
        assert_eq!(receive::<String>(&mut there)?, "first");
        let sockets = receive_sockets(&there, AT_ONCE + 3)?;
        for (number, socket) in sockets.into_iter().enumerate() {
            let mut file = std::fs::File::from(socket);
            let mut text = String::new();
            io::Seek::rewind(&mut file)?;
            file.read_to_string(&mut text)?;
            assert_eq!(text, number.to_string());
        }
        assert_eq!(receive::<String>(&mut there)?, "last");
        writer.join().expect("no panic")
    }

    #[test]
    fn what_ends_too_early_is_an_error() -> io::Result<()> {
        for bytes in [
            &b""[..],
            b"\x05",
            b"\x05\0\0\0\"ab",
            b"\xff\xff\xff\xff",
            b"\x02\0\0\0ab",
        ] {
            let (mut here, mut there) = UnixStream::pair()?;
            here.write_all(bytes)?;
            drop(here);
            assert!(receive::<String>(&mut there).is_err(), "{bytes:?}");
        }
        let (here, there) = UnixStream::pair()?;
        drop(here);
        assert!(receive_sockets(&there, 1).is_err());
        Ok(())
    }
}
