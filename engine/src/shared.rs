//! A map whose copies share their values until one of them is changed. Observations are put up many times a second, and of
//! tens of thousands of values only a few are new each time.

use std::{borrow::Borrow, collections::BTreeMap, ops::Index, sync::Arc};

/// Like a `BTreeMap`; a clone copies keys (identifiers, which are shared as well) and no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMap<K, V>(BTreeMap<K, Arc<V>>);

impl<K: Ord, V: Clone> SharedMap<K, V> {
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).map(AsRef::as_ref)
    }
    /// The value, for changing; one that another copy of the map has as well is copied first.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key).map(Arc::make_mut)
    }
    /// The same, put there first where it is missing.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        Arc::make_mut(self.0.entry(key).or_insert_with(|| Arc::new(value())))
    }
    /// Gives what was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<Arc<V>> {
        self.0.insert(key, Arc::new(value))
    }
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }
    pub fn clear(&mut self) {
        self.0.clear();
    }
    pub fn retain(&mut self, stays: impl Fn(&K, &V) -> bool) {
        self.0.retain(|key, value| stays(key, value));
    }
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut().map(Arc::make_mut)
    }
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (key, Arc::make_mut(value)))
    }
}

impl<K, V> SharedMap<K, V> {
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value.as_ref()))
    }
    pub fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.0.values().map(AsRef::as_ref)
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for SharedMap<K, V> {
    type Output = V;
    /// # Panics
    /// Where there is no such value, as that of a `BTreeMap`.
    fn index(&self, key: &Q) -> &V {
        &self.0[key]
    }
}
