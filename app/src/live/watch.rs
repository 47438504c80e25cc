//! Values that pages fetch again when something moved.
//!
//! What the server rendered with travels in the page as JSON and is read when it is shown; what is fetched later is kept
//! as it is. All values share one type of resource, so that the machinery is in the download once and not once per page.

use super::Live;
use crate::fault::Fault;
use leptos::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{any::Any, future::Future, marker::PhantomData, pin::Pin, sync::Arc};

/// A value with the trouble, if any, that kept it from being fetched again.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    pub value: T,
    pub trouble: Option<Fault>,
}

/// What a page watches: the value, or why there is none.
pub struct Watch<T> {
    resource: Resource<Result<Carried, Fault>>,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Watch<T> {}

/// A value of any type on its way from the call to the page.
#[derive(Clone, Serialize, Deserialize)]
struct Carried {
    value: Packed,
    trouble: Option<Fault>,
}

#[derive(Clone)]
enum Packed {
    /// As the server wrote it.
    Text(Arc<str>),
    /// As it was fetched. The server fetches nothing from itself.
    #[cfg_attr(feature = "ssr", expect(dead_code, reason = "only the browser fetches"))]
    Value(Arc<dyn Any + Send + Sync>),
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Packed::Text(text) => serializer.serialize_str(text),
            // The server packs texts only, and only the server serialises.
            Packed::Value(_) => Err(serde::ser::Error::custom("a fetched value is not written again")),
        }
    }
}
impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Packed::Text(text.into()))
    }
}

impl Packed {
    #[cfg(feature = "ssr")]
    fn pack<T: Serialize + Send + Sync + 'static>(value: T) -> Result<Self, Fault> {
        serde_json::to_string(&value).map(|text| Packed::Text(text.into())).map_err(|error| Fault::Broken(error.to_string()))
    }
    #[cfg(not(feature = "ssr"))]
    fn pack<T: Serialize + Send + Sync + 'static>(value: T) -> Result<Self, Fault> {
        Ok(Packed::Value(Arc::new(value)))
    }
    fn unpack<T: Clone + DeserializeOwned + 'static>(&self) -> Result<T, Fault> {
        match self {
            // From bytes, as answers of the server are read: one reader for both.
            Packed::Text(text) => serde_json::from_slice(text.as_bytes()).map_err(|error| Fault::Broken(error.to_string())),
            Packed::Value(value) => value.downcast_ref::<T>().cloned().ok_or_else(|| Fault::Broken("a value of another type".to_owned())),
        }
    }
}

impl<T: Clone + DeserializeOwned + 'static> Watch<T> {
    /// Fetches it again now.
    pub fn refetch(&self) {
        self.resource.refetch();
    }
    /// The value as last seen; `None` while the first fetch is under way.
    pub fn get(&self) -> Option<Result<Seen<T>, Fault>> {
        let carried = self.resource.get()?;
        Some(carried.and_then(|Carried { value, trouble }| Ok(Seen { value: value.unpack()?, trouble })))
    }
}

/// Fetches by `call` whenever `key` changes or something moved. While the server cannot be reached the last value for the
/// same key stays, with the trouble beside it.
pub fn watch<K, T, Fut>(key: impl Fn() -> K + Send + Sync + 'static, call: impl Fn(K) -> Fut + Send + Sync + 'static) -> Watch<T>
where
    K: Clone + PartialEq + Send + Sync + 'static,
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    Fut: Future<Output = Result<T, Fault>> + Send + 'static,
{
    Watch { resource: resource_of(key, call, Refresh::WhenMoved), of: PhantomData }
}

/// As `watch`, but what is shown stays as it was fetched, until the key changes or `refetch` is called: for a page that must
/// not change under the reader's eyes.
pub fn hold<K, T, Fut>(key: impl Fn() -> K + Send + Sync + 'static, call: impl Fn(K) -> Fut + Send + Sync + 'static) -> Watch<T>
where
    K: Clone + PartialEq + Send + Sync + 'static,
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    Fut: Future<Output = Result<T, Fault>> + Send + 'static,
{
    Watch { resource: resource_of(key, call, Refresh::WhenAsked), of: PhantomData }
}

/// What makes a value be fetched again for the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    WhenMoved,
    WhenAsked,
}

fn resource_of<K, T, Fut>(
    key: impl Fn() -> K + Send + Sync + 'static,
    call: impl Fn(K) -> Fut + Send + Sync + 'static,
    refresh: Refresh,
) -> Resource<Result<Carried, Fault>>
where
    K: Clone + PartialEq + Send + Sync + 'static,
    T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    Fut: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let key = Memo::new(move |_| key());
    // Counts the keys, so that the resource need not know their type.
    let number = Memo::new(move |before: Option<&u64>| {
        key.track();
        before.map_or(0, |before| before + 1)
    });
    let fetch = move || -> Fetching {
        let answer = call(key.get_untracked());
        Box::pin(async move { answer.await.and_then(Packed::pack) })
    };
    fetched(number, Box::new(fetch), refresh)
}

type Fetching = Pin<Box<dyn Future<Output = Result<Packed, Fault>> + Send>>;

fn fetched(number: Memo<u64>, fetch: Box<dyn Fn() -> Fetching + Send + Sync>, refresh: Refresh) -> Resource<Result<Carried, Fault>> {
    let live = expect_context::<Live>();
    let last = StoredValue::new(None::<(u64, Packed)>);
    let resource = Resource::new(
        move || {
            let moved = if refresh == Refresh::WhenMoved { live.moved.get() } else { 0 };
            (number.get(), moved)
        },
        move |(number, _)| {
            let answer = fetch();
            async move {
                match answer.await {
                    Ok(value) => Ok(Carried { value, trouble: None }),
                    Err(fault @ (Fault::Unreachable(_) | Fault::Broken(_))) => {
                        let kept = last.try_get_value().flatten().filter(|(of, _)| *of == number);
                        kept.map(|(_, value)| Carried { value, trouble: Some(fault.clone()) }).ok_or(fault)
                    }
                    Err(fault) => Err(fault),
                }
            }
        },
    );
    Effect::new(move |_| {
        if let Some(Ok(carried)) = resource.get() {
            last.set_value(Some((number.get_untracked(), carried.value)));
        }
    });
    resource
}
