//! moto, which answers as AWS does, on a loopback port of its own. It keeps hosted zones and records as Route 53 does, and buckets; it checks
//! no signatures and puts every change into effect at once.

use crate::place::{Place, until};
use reqwest::{Client, Method};
use std::{net::TcpListener, process::Stdio};
use tokio::process::{Child, Command};

pub struct Moto {
    pub place: Place,
    pub url: String,
    /// Id of the hosted zone `shop.example`.
    pub zone: String,
    process: Child,
    client: Client,
}

/// moto tells the services it stands for apart by what a request is signed for, and looks no further.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=ANOTHER/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0";

pub const SECRET: &str = "canary-of-the-aws-secret";

impl Moto {
    pub async fn open() -> Self {
        let place = Place::new();
        place.write("secret", &format!("{SECRET}\n"));
        let client = Client::builder().no_proxy().build().unwrap();
        // A free port may be taken before moto has it; then it ends, and another is tried.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(process) = start(&client, port).await {
                let mut moto = Self { place, url: format!("http://127.0.0.1:{port}"), zone: String::new(), process, client };
                let zone = "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>shop.example.</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>";
                let made = moto.post("hostedzone", zone).await;
                let id = made.split("<Id>/hostedzone/").nth(1).and_then(|rest| rest.split('<').next());
                moto.zone = id.unwrap_or_else(|| panic!("no zone was made: {made}")).to_owned();
                return moto;
            }
        }
        panic!("moto does not start");
    }

    /// Makes a bucket, as S3 has them.
    pub async fn make_bucket(&self, name: &str) {
        let signed = SIGNED.replace("/route53/", "/s3/");
        let made = self.client.put(format!("{}/{name}", self.url)).header("authorization", signed).send().await.unwrap();
        assert!(made.status().is_success(), "{made:?}");
    }

    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    pub fn config(&self) -> String {
        format!("[aws]\nroute53_endpoint = \"{}\"\nkey = {{ id = \"AKIDEXAMPLE\", secret_file = \"secret\" }}\n", self.url)
    }

    /// Asks as another client would, apart from the adapter.
    pub async fn post(&self, path: &str, body: &str) -> String {
        self.ask(Method::POST, path, body).await
    }
    pub async fn get(&self, path: &str) -> String {
        self.ask(Method::GET, path, "").await
    }
    async fn ask(&self, method: Method, path: &str, body: &str) -> String {
        let request = self.client.request(method, format!("{}/2013-04-01/{path}", self.url)).header("authorization", SIGNED);
        request.body(body.to_owned()).send().await.unwrap().text().await.unwrap()
    }

    /// Puts a record set there by hand: `inner` is all that stands between its type and its end.
    pub async fn put(&self, name: &str, kind: &str, inner: &str) {
        let set = format!("<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type>{inner}</ResourceRecordSet>");
        let batch = format!("<ChangeBatch><Changes><Change><Action>UPSERT</Action>{set}</Change></Changes></ChangeBatch>");
        let body = format!(
            "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">{batch}</ChangeResourceRecordSetsRequest>"
        );
        let answer = self.post(&format!("hostedzone/{}/rrset/", self.zone), &body).await;
        assert!(answer.contains("ChangeInfo"), "{answer}");
    }
    pub async fn put_addresses(&self, name: &str, ttl: u32, addresses: &[&str]) {
        let records: String = addresses.iter().map(|address| format!("<ResourceRecord><Value>{address}</Value></ResourceRecord>")).collect();
        self.put(name, "A", &format!("<TTL>{ttl}</TTL><ResourceRecords>{records}</ResourceRecords>")).await;
    }

    /// Everything in the zone, as moto tells it.
    pub async fn records(&self) -> String {
        self.get(&format!("hostedzone/{}/rrset", self.zone)).await
    }
}

async fn start(client: &Client, port: u16) -> Option<Child> {
    let mut command = Command::new("moto_server");
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.kill_on_drop(true).spawn();
    let mut process = process.expect("moto is missing: .ci/tools installs it, and `make rust-tests` finds it");
    let mut ended = false;
    until("moto answers", async || {
        ended = process.try_wait().unwrap().is_some();
        ended || client.get(format!("http://127.0.0.1:{port}/moto-api/")).send().await.is_ok()
    })
    .await;
    (!ended).then_some(process)
}
