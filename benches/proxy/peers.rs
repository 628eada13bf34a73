//! Other proxies, when this machine has them: nginx and HAProxy as plain pass-throughs.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Endpoint, Process};

/// A peer and the folder with its config.
pub struct Peer {
    pub endpoint: Endpoint,
    _folder: TempDir,
}

/// Starts those that are installed.
pub fn installed(upstream: SocketAddr) -> Vec<Peer> {
    [nginx(upstream), haproxy(upstream)].into_iter().flatten().collect()
}

fn nginx(upstream: SocketAddr) -> Option<Peer> {
    let address = free_address();
    let folder = TempDir::new().expect("a folder");
    let here = folder.path().display();
    let config = format!(
        "daemon off;\nworker_processes 2;\nerror_log stderr;\npid {here}/pid;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {here}/body;\n  \
         proxy_temp_path {here}/proxy;\n  fastcgi_temp_path {here}/f;\n  uwsgi_temp_path {here}/u;\n  \
         scgi_temp_path {here}/s;\n  keepalive_requests 100000000;\n  client_body_buffer_size 128k;\n  \
         upstream tool {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}\n  \
         server {{\n    listen {address};\n    location / {{\n      proxy_pass http://tool;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
         proxy_request_buffering off;\n      proxy_buffering off;\n    }}\n  }}\n}}\n"
    );
    let file = folder.path().join("nginx.conf");
    fs::write(&file, config).expect("the folder is ours");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-p").arg(folder.path());
    start("nginx", command, address, folder)
}

fn haproxy(upstream: SocketAddr) -> Option<Peer> {
    let address = free_address();
    let folder = TempDir::new().expect("a folder");
    let config = format!(
        "global\n  nbthread 2\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\n  http-reuse always\nfrontend in\n  bind {address}\n  \
         default_backend tool\nbackend tool\n  server tool {upstream}\n"
    );
    let file = folder.path().join("haproxy.cfg");
    fs::write(&file, config).expect("the folder is ours");
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(file);
    start("HAProxy", command, address, folder)
}

/// Nothing is said of a peer that is not there.
fn start(
    name: &'static str,
    mut command: Command,
    address: SocketAddr,
    folder: TempDir,
) -> Option<Peer> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let process = Process(child);
    for _ in 0..200 {
        if TcpStream::connect(address).is_ok() {
            let endpoint = Endpoint { name, address, through_gate: false, process };
            return Some(Peer { endpoint, _folder: folder });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// A port that was free a moment ago: these proxies cannot choose one and say which.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address")
}
