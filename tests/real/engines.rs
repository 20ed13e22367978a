//! Real engines for tests: a PostgreSQL cluster and a server that speaks S3, one of each for a
//! whole run. They end with it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A program that says "ready ..." and lives until its standard input ends: with this process.
struct Engine {
    said: Vec<String>,
    _child: Child,
}

fn start(script: &str) -> Engine {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/real")
        .join(script);
    let mut child = Command::new("bash")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let mut said = line.split_whitespace().map(str::to_owned);
    assert_eq!(said.next().as_deref(), Some("ready"), "run `./test` first");
    Engine {
        said: said.collect(),
        _child: child,
    }
}

fn postgres() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| start("postgres.sh"))
}

fn moto() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| start("moto.sh"))
}

fn fresh(word: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{word}{}", NUMBER.fetch_add(1, Ordering::SeqCst))
}

/// Runs SQL on the cluster's own database.
pub(crate) async fn administer(sql: String) {
    let pool = sqlx::PgPool::connect(&address("postgres")).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

/// The address of a database by the Unix socket.
pub(crate) fn address(database: &str) -> String {
    let said = &postgres().said;
    format!(
        "postgres://salus@localhost/{database}?host={}&port={}",
        said[0], said[1]
    )
}

/// The same database across the network: TLS, the server's name checked.
pub(crate) fn address_by_tls(database: &str) -> String {
    let said = &postgres().said;
    format!(
        "postgres://salus@localhost:{}/{database}?sslmode=verify-full&sslrootcert={}/ca.pem",
        said[1], said[0]
    )
}

/// A database that nobody has used.
pub(crate) async fn database() -> String {
    let name = fresh("salus");
    administer(format!("CREATE DATABASE {name}")).await;
    name
}

/// Where the S3 server is.
pub(crate) fn endpoint() -> String {
    format!("http://127.0.0.1:{}", moto().said[0])
}

/// A bucket that nobody has used, with versions and a lock: what is in it stays for ten days.
pub(crate) fn locked_bucket() -> String {
    let name = fresh("vault");
    let url = format!("{}/{name}", endpoint());
    curl(&[
        "-X",
        "PUT",
        "-H",
        "x-amz-bucket-object-lock-enabled: true",
        &url,
    ]);
    let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>\
        <DefaultRetention><Mode>COMPLIANCE</Mode><Days>10</Days></DefaultRetention></Rule>\
        </ObjectLockConfiguration>";
    curl(&["-X", "PUT", "-d", rule, &format!("{url}?object-lock")]);
    name
}

/// What anybody with the bucket's keys can ask for.
pub(crate) fn curl(args: &[&str]) -> String {
    let signed = "Authorization: AWS4-HMAC-SHA256 \
        Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let output = Command::new("curl")
        .args(["-s", "-H", signed])
        .args(["-H", "Content-Type: application/octet-stream"])
        .args(["-H", "x-amz-sdk-checksum-algorithm: SHA256"])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The line that names a bucket in a configuration.
pub(crate) fn bucket_line(bucket: &str, credentials: &Path) -> String {
    format!(
        "s3://{bucket}/house?endpoint={}&credentials={}",
        endpoint(),
        credentials.display()
    )
}

/// A file with the keys of the S3 server, which takes any.
pub(crate) fn credentials(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("s3-credentials");
    let text = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n";
    std::fs::write(&path, text).unwrap();
    path
}
