//! What a name stands for while clients are sent to each region, as declared; and which regions follow from what it stands
//! for now. All of that must be accounted for: what nobody declared is not guessed about.

use crate::connect::dns::{Target, in_words};
use anyhow::{Context, bail};
use engine::id::RegionId;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Targets {
    /// What clients look up.
    name: String,
    of: BTreeMap<RegionId, BTreeSet<Target>>,
}

impl Targets {
    /// Every region has targets, and no target leads to two regions: from what the name stands for, the regions must follow.
    pub(super) fn parse(name: String, declared: &BTreeMap<RegionId, Vec<String>>) -> anyhow::Result<Self> {
        let (mut of, mut seen) = (BTreeMap::new(), BTreeSet::new());
        for (region, texts) in declared {
            let targets =
                texts.iter().map(|text| Target::parse(text)).collect::<anyhow::Result<BTreeSet<_>>>().with_context(|| format!("in {region}"))?;
            if targets.is_empty() {
                bail!("{region} has no target");
            }
            for target in &targets {
                if !seen.insert(target.clone()) {
                    bail!("{target} is declared for {region} and for another region, so neither could be told from the other");
                }
            }
            of.insert(region.clone(), targets);
        }
        Ok(Self { name, of })
    }

    #[cfg(feature = "aws")]
    pub(super) fn all(&self) -> impl Iterator<Item = &Target> {
        self.of.values().flatten()
    }

    /// The regions whose targets these are.
    pub(super) fn regions_of(&self, standing: &BTreeSet<&Target>) -> anyhow::Result<BTreeSet<RegionId>> {
        let stands = |targets: &BTreeSet<Target>| targets.iter().all(|target| standing.contains(target));
        let on: BTreeSet<RegionId> = self.of.iter().filter(|(_, targets)| stands(targets)).map(|(region, _)| region.clone()).collect();
        let known: BTreeSet<&Target> = on.iter().filter_map(|region| self.of.get(region)).flatten().collect();
        let strange: Vec<&Target> = standing.iter().filter(|target| !known.contains(*target)).copied().collect();
        if !strange.is_empty() {
            let (all, strange) = (in_words(standing.iter().copied()), in_words(strange));
            bail!("{} stands for {all}; of that, {strange} is not all of a region's targets, so where clients are sent is not known", self.name);
        }
        Ok(on)
    }

    /// What the name is to stand for.
    pub(super) fn wanted(&self, to: &BTreeSet<RegionId>) -> anyhow::Result<BTreeSet<Target>> {
        let mut wanted = BTreeSet::new();
        for region in to {
            let targets = self.of.get(region).with_context(|| format!("the estate does not say what {} stands for in {region}", self.name))?;
            wanted.extend(targets.iter().cloned());
        }
        if wanted.len() > 1 && wanted.iter().any(|target| matches!(target, Target::Alias(_))) {
            bail!("{} can stand for one other name (CNAME) or for addresses, not for {} together", self.name, in_words(&wanted));
        }
        Ok(wanted)
    }
}
