//! A TCP stream that acknowledges at once what it receives.
//!
//! Senders of images write an object in several small pieces and wait (Nagle) for the
//! acknowledgement of one before they send the next, which Linux delays by 40 ms: each object takes
//! that long, however fast everything else is. Linux forgets the option on its own, so it is set
//! again with every read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream.
pub(crate) struct Prompt(TcpStream);

impl Prompt {
    /// # Errors
    /// If the socket is gone.
    pub(crate) fn new(stream: TcpStream) -> io::Result<Prompt> {
        stream.set_nodelay(true)?;
        Ok(Prompt(stream))
    }

    fn acknowledge(&self) {
        // Only Linux has it, and without it everything is right, but slow.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(&self.0).set_tcp_quickack(true);
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        self.acknowledge();
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
