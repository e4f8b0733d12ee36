//! Options that cannot work are refused when the client is made, by their names.

use cmemcache::{Client, Config, ErrorKind, Password, Pem, ServerSpec, TlsOptions};

use crate::support::failure;
use crate::{file, trusting};

fn refused(address: &str, tls: TlsOptions) -> String {
    let config = Config { tls: Some(tls), ..Config::new([address]).unwrap() };
    failure(Client::new(config), ErrorKind::InvalidArgument).message().to_owned()
}

fn text(text: &str) -> Option<Pem> {
    Some(Pem::Text(text.into()))
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let none = TlsOptions::default;
    let client = |certificate, key| TlsOptions { certificate, key, ..trusting() };
    let damaged = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let missing = || Some(Pem::File("/nonexistent/ca.pem".into()));
    let cases = [
        (TlsOptions { ca: missing(), ..none() }, "tls.ca: cannot read /nonexistent/ca.pem: "),
        (TlsOptions { ca: text(""), ..none() }, "tls.ca holds no certificate in PEM"),
        (TlsOptions { ca: file("ca.key"), ..none() }, "tls.ca holds no certificate in PEM"),
        (TlsOptions { ca: text(damaged), ..none() }, "tls.ca holds PEM that is damaged"),
        (TlsOptions { ca: text(nonsense), ..none() }, "tls.ca: "),
        (client(file("client.pem"), None), "tls.certificate is given without tls.key"),
        (client(None, file("client.key")), "tls.key is given without tls.certificate"),
        (client(missing(), file("client.key")), "tls.certificate: cannot read "),
        (client(file("client.pem"), missing()), "tls.key: cannot read "),
        (client(file("client.pem"), file("client.pem")), "tls.key holds no private key in PEM"),
        (client(file("client.key"), file("client.key")), "tls.certificate holds no certificate in PEM"),
        (client(file("client.pem"), file("server.key")), "tls.key is not the key of tls.certificate"),
        (TlsOptions { server_name: Some("not a name".into()), ..trusting() }, "tls.server_name is neither"),
        (TlsOptions { server_name: Some(String::new()), ..trusting() }, "tls.server_name is neither"),
        (TlsOptions { danger_accept_any_certificate: true, ..trusting() }, "tls.ca is of no use with "),
    ];
    for (tls, why) in cases {
        let message = refused("localhost", tls.clone());
        assert!(message.starts_with(why), "{message:?} is not {why:?} for {tls:?}");
    }
}

#[test]
fn servers_that_no_certificate_can_name_are_refused() {
    assert_eq!(refused("unix:/run/m.sock", trusting()), "tls: unix:/run/m.sock is a unix socket; TLS needs TCP");
    assert!(refused("double..dot", trusting()).contains("tls: \"double..dot\" can be no certificate's name"));
    let config = Config { tls: Some(trusting()), ..Config::new(["localhost"]).unwrap() };
    let client = Client::new(config).unwrap();
    let unix = ServerSpec::parse("unix:/run/m.sock", 1).unwrap();
    failure(client.set_servers(vec![unix]), ErrorKind::InvalidArgument);
    for host in ["[::1]:11211", "[fe80::1%eth0]:11211", "under_score.example", "127.0.0.1"] {
        client.set_servers(vec![ServerSpec::parse(host, 1).unwrap()]).unwrap();
    }
}

#[test]
fn credentials_that_cannot_travel_are_refused_without_being_shown() {
    let cases = [
        (Some("ann"), None, "user is given without password"),
        (None, Some("hidden"), "password is given without user"),
        (Some(""), Some("hidden"), "user is empty"),
        (Some("ann"), Some(""), "password is empty"),
        (Some("a\r\nb"), Some("hidden"), "user holds a control character"),
        (Some("ann"), Some("hidden\r\n"), "password holds a control character"),
        (Some("ann"), Some("hidden\0"), "password holds a control character"),
        (Some("ann"), Some("hid den"), "password holds a space, which memcached cannot tell from a separator"),
        (Some("a b"), Some("hidden"), "user holds a space, which memcached cannot tell from a separator"),
        (Some("a:b"), Some("hidden"), "user holds ':', which memcached takes for a separator"),
    ];
    for (user, password, why) in cases {
        let config = Config { user: user.map(str::to_owned), password: password.map(Password::from), ..Config::default() };
        let shown = format!("{config:?}").replace("<hidden>", "");
        assert!(!shown.contains("hid"), "{shown}");
        assert_eq!(failure(Client::new(config), ErrorKind::InvalidArgument).message(), why);
    }
    let long = Config { user: Some("ann".into()), password: Some("x".repeat(252).into()), ..Config::default() };
    let error = failure(Client::new(long), ErrorKind::InvalidArgument);
    assert_eq!(error.message(), "user and password of 255 bytes together are over the limit of 254");
}

#[test]
fn what_is_secret_is_not_in_debug() {
    let pem = Pem::Text(b"-----BEGIN PRIVATE KEY-----".to_vec());
    assert_eq!(format!("{pem:?}"), "Text(<27 bytes>)");
    assert_eq!(format!("{:?}", Password::from("hidden")), "Password(<hidden>)");
}
