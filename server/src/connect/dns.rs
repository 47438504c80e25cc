//! The primary name server of a zone: what it answers for a name, and changing that by dynamic update (RFC 2136). Both are
//! asked over TCP and signed with a shared key (TSIG, RFC 8945), so no cache and nobody in between can answer instead.

use anyhow::{Context, bail};
use domain::{
    base::{
        Message, MessageBuilder, Name, Rtype, StreamTarget, ToName, Ttl,
        iana::{Class, Opcode, Rcode},
        message_builder::AdditionalBuilder,
        name::ParsedName,
        rdata::UnknownRecordData,
    },
    rdata::{A, Aaaa, Cname, Soa, tsig::Time48},
    tsig::{ClientTransaction, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub type DnsName = Name<Vec<u8>>;

/// What a name can stand for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Alias(DnsName),
}

/// What the server answers for a name now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Each with how long resolvers may keep it.
    pub records: BTreeMap<Target, Ttl>,
    /// Where there are none: for how long resolvers may remember that.
    pub none_for: Option<Ttl>,
}

/// One zone on its primary server.
pub struct NameServer {
    /// `host:port`.
    pub address: String,
    pub zone: DnsName,
    pub key: Key,
}

/// For everything that is asked over one connection.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// Everything that says where a name leads.
const KINDS: [Rtype; 3] = [Rtype::A, Rtype::AAAA, Rtype::CNAME];

impl NameServer {
    /// Asks the server itself what a name stands for.
    ///
    /// # Errors
    /// No properly signed answer in time, or one that the server has not got from its own zone.
    pub async fn standing(&self, name: &DnsName) -> anyhow::Result<Standing> {
        self.in_time(async |stream: &mut TcpStream| {
            let mut standing = Standing::default();
            for kind in KINDS {
                let mut query = MessageBuilder::new_stream_vec().question();
                query.push((name, kind))?;
                let answer = self.exchange(stream, query.additional()).await?;
                match answer.header().rcode() {
                    Rcode::NOERROR | Rcode::NXDOMAIN if answer.header().aa() => read(&answer, name, kind, &mut standing)?,
                    Rcode::NOERROR | Rcode::NXDOMAIN => bail!("it answers, but is no server of the zone {}", self.zone),
                    other => bail!("it answers {other} when asked for {name}"),
                }
            }
            Ok(standing)
        })
        .await
    }

    /// What stands at a name that an alias cannot stand beside. Not every server tells all of it.
    ///
    /// # Errors
    /// As for `standing`.
    pub async fn beside_an_alias(&self, name: &DnsName) -> anyhow::Result<BTreeSet<Rtype>> {
        self.in_time(async |stream: &mut TcpStream| {
            let mut query = MessageBuilder::new_stream_vec().question();
            query.push((name, Rtype::ANY))?;
            let answer = self.exchange(stream, query.additional()).await?;
            let kinds = answer.answer()?.map(|record| Ok(record?.rtype())).collect::<anyhow::Result<BTreeSet<_>>>()?;
            // The first three are replaced by the alias, the others are the signatures of a signed zone.
            let harmless = [Rtype::A, Rtype::AAAA, Rtype::CNAME, Rtype::RRSIG, Rtype::NSEC];
            Ok(kinds.into_iter().filter(|kind| !harmless.contains(kind)).collect())
        })
        .await
    }

    /// Makes `name` stand for `wanted` instead of `before`, both or nothing: where it does not stand for `before` any more,
    /// somebody else changes it too, and nothing is done.
    ///
    /// # Errors
    /// That, a refusal, or no properly signed answer in time; after the last whether it was done is not known.
    pub async fn replace(&self, name: &DnsName, before: &Standing, wanted: &BTreeMap<Target, Ttl>) -> anyhow::Result<()> {
        let kinds: BTreeSet<Rtype> = before.records.keys().chain(wanted.keys()).map(Target::kind).collect();
        let delete = kinds.into_iter().map(|kind| Ok((Class::ANY, Ttl::ZERO, nothing(kind)?)));
        let add = wanted.iter().map(|(target, ttl)| Ok((Class::IN, *ttl, target.data()?)));
        self.update(name, before, delete.chain(add).collect::<anyhow::Result<_>>()?).await
    }

    /// Asks for a change that changes nothing: adds what is there, deletes what is not. Whether the server would let the key
    /// make the change to `wanted` follows from its answer.
    ///
    /// # Errors
    /// As for `replace`.
    pub async fn rehearse(&self, name: &DnsName, before: &Standing, wanted: &BTreeMap<Target, Ttl>) -> anyhow::Result<()> {
        let there: BTreeSet<Rtype> = before.records.keys().map(Target::kind).collect();
        let missing: BTreeSet<Rtype> = wanted.keys().map(Target::kind).filter(|kind| !there.contains(kind)).collect();
        let delete = missing.into_iter().map(|kind| Ok((Class::ANY, Ttl::ZERO, nothing(kind)?)));
        let add = before.records.iter().map(|(target, ttl)| Ok((Class::IN, *ttl, target.data()?)));
        self.update(name, before, delete.chain(add).collect::<anyhow::Result<_>>()?).await
    }

    async fn update(&self, name: &DnsName, before: &Standing, changes: Vec<(Class, Ttl, Data)>) -> anyhow::Result<()> {
        self.in_time(async |stream: &mut TcpStream| {
            let mut zone = MessageBuilder::new_stream_vec().question();
            zone.header_mut().set_opcode(Opcode::UPDATE);
            zone.push((&self.zone, Rtype::SOA))?;
            let mut must = zone.answer();
            for kind in KINDS.into_iter().filter(|kind| !before.records.keys().any(|target| target.kind() == *kind)) {
                must.push((name, Class::NONE, Ttl::ZERO, nothing(kind)?))?;
            }
            for target in before.records.keys() {
                must.push((name, Class::IN, Ttl::ZERO, target.data()?))?;
            }
            let mut updates = must.authority();
            for (class, ttl, data) in changes {
                updates.push((name, class, ttl, data))?;
            }
            match self.exchange(stream, updates.additional()).await?.header().rcode() {
                Rcode::NOERROR => Ok(()),
                Rcode::NXRRSET | Rcode::YXRRSET | Rcode::NXDOMAIN | Rcode::YXDOMAIN => {
                    bail!("somebody else changed {name} in between, so it was left alone")
                }
                Rcode::REFUSED => bail!("it does not let the key {} change {name}", self.key.name()),
                Rcode::NOTAUTH => bail!("it is not the primary server of the zone {}", self.zone),
                other => bail!("it answers {other} to the change of {name}"),
            }
        })
        .await
    }

    async fn in_time<T>(&self, asking: impl AsyncFnOnce(&mut TcpStream) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let asking = async {
            let mut stream = TcpStream::connect(&self.address).await.context("it cannot be reached")?;
            asking(&mut stream).await
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        let asked = asked.unwrap_or_else(|_| bail!("no answer within {} s", PATIENCE.as_secs()));
        asked.with_context(|| format!("the name server {}", self.address))
    }

    async fn exchange(&self, stream: &mut TcpStream, mut message: AdditionalBuilder<StreamTarget<Vec<u8>>>) -> anyhow::Result<Message<Vec<u8>>> {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        let (id, opcode) = (u16::from_be_bytes([high, low]), message.header().opcode());
        message.header_mut().set_id(id);
        let transaction = ClientTransaction::request(&self.key, &mut message, Time48::now())?;
        stream.write_all(message.finish().as_stream_slice()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await.context("it ended the connection without an answer")?)];
        stream.read_exact(&mut answer).await.context("its answer broke off")?;
        let mut answer = Message::from_octets(answer).map_err(|_| anyhow::anyhow!("its answer is no DNS message"))?;
        let header = answer.header();
        transaction
            .answer(&mut answer, Time48::now())
            .with_context(|| format!("its answer ({}) is not signed with the key {}", header.rcode(), self.key.name()))?;
        if !header.qr() || header.id() != id || header.opcode() != opcode {
            bail!("its answer is to another question");
        }
        Ok(answer)
    }
}

type Data = UnknownRecordData<Vec<u8>>;

/// In an update, records without content stand for all of their kind.
fn nothing(kind: Rtype) -> anyhow::Result<Data> {
    Ok(Data::from_octets(kind, Vec::new())?)
}

fn read(answer: &Message<Vec<u8>>, name: &DnsName, kind: Rtype, standing: &mut Standing) -> anyhow::Result<()> {
    for record in answer.answer()? {
        let record = record?;
        // An alias is answered along with what it leads to; only what stands at the name itself is meant.
        if record.rtype() != kind || record.owner() != name {
            continue;
        }
        let target = match kind {
            Rtype::A => record.to_record::<A>()?.map(|record| Target::V4(record.data().addr())),
            Rtype::AAAA => record.to_record::<Aaaa>()?.map(|record| Target::V6(record.data().addr())),
            _ => record.to_record::<Cname<ParsedName<_>>>()?.map(|record| Target::Alias(record.data().cname().to_vec())),
        };
        standing.records.insert(target.context("its answer contradicts itself")?, record.ttl());
    }
    for record in answer.authority()? {
        if let Some(zone) = record?.to_record::<Soa<ParsedName<_>>>()? {
            standing.none_for = Some(zone.ttl().min(zone.data().minimum()));
        }
    }
    Ok(())
}

impl Target {
    fn kind(&self) -> Rtype {
        match self {
            Target::V4(_) => Rtype::A,
            Target::V6(_) => Rtype::AAAA,
            Target::Alias(_) => Rtype::CNAME,
        }
    }

    fn data(&self) -> anyhow::Result<Data> {
        let octets = match self {
            Target::V4(address) => address.octets().to_vec(),
            Target::V6(address) => address.octets().to_vec(),
            Target::Alias(name) => name.as_slice().to_vec(),
        };
        Ok(Data::from_octets(self.kind(), octets)?)
    }

    /// Parses an address or a full name.
    ///
    /// # Errors
    /// A text that is neither; a mistyped address is not taken for a name.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(match address {
                std::net::IpAddr::V4(address) => Target::V4(address),
                std::net::IpAddr::V6(address) => Target::V6(address),
            });
        }
        let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        match Name::vec_from_str(text) {
            Ok(name) if text.contains('.') && !last.is_empty() && !last.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Target::Alias(name)),
            _ => bail!("“{text}” is neither an IPv4 or IPv6 address nor a full name"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::V4(address) => address.fmt(f),
            Target::V6(address) => address.fmt(f),
            Target::Alias(name) => name.fmt(f),
        }
    }
}

/// Targets in a sentence.
pub fn in_words<'a>(targets: impl IntoIterator<Item = &'a Target>) -> String {
    let words: BTreeSet<String> = targets.into_iter().map(Target::to_string).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.into_iter().collect::<Vec<_>>().join(", ") }
}
