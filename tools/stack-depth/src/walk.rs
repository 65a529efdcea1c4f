//! The walk down the calls.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{Program, Role};

/// A walk down the calls.
pub(super) struct Walk<'a> {
    pub(super) program: &'a Program,
    pub(super) on_stack: Vec<u64>,
    /// Depths, by function and those above it that are called once.
    pub(super) known: BTreeMap<(u64, Vec<u64>), (u64, Vec<String>)>,
}

impl<'a> Walk<'a> {
    pub(super) fn of(program: &'a Program) -> Self {
        Walk {
            program,
            on_stack: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    pub(super) fn depth(&mut self, address: u64) -> Result<(u64, Vec<String>)> {
        let Some(function) = self.program.functions.get(&address) else {
            bail!("found a call to {address:#x}, where no function begins");
        };
        if let Some(unclear) = &function.unclear {
            bail!("{}: cannot tell what `{unclear}` takes", function.name);
        }
        let is_single = |f: &u64| {
            let function = self.program.functions.get(f);
            function.is_some_and(|f| Role::of(&f.name).is_single())
        };
        let mut singles: Vec<_> = self.on_stack.iter().copied().filter(is_single).collect();
        singles.sort_unstable();
        singles.dedup();
        let key = (address, singles);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        // Each time round, one of these that was not there has come onto the stack.
        let times = self.on_stack.iter().filter(|&&f| f == address).count();
        if times > key.1.len() {
            let names = self
                .on_stack
                .iter()
                .map(|f| &*self.program.functions[f].name);
            let names: Vec<_> = names.collect();
            bail!("{} calls itself: {}", function.name, names.join(" > "));
        }

        let mut callees = function.calls.clone();
        for &role in &function.indirect {
            callees.extend(self.program.taken.iter().copied().filter(|f| {
                let is_new = !key.1.contains(f) && *f != address;
                let found = Role::of(&self.program.functions[f].name);
                let fits = role == Role::Unknown || found == Role::Unknown || role == found;
                fits && (!found.is_single() || is_new)
            }));
        }
        self.on_stack.push(address);
        let mut deepest = (0, Vec::new());
        for callee in callees {
            deepest = deepest.max(self.depth(callee)?);
        }
        self.on_stack.pop();
        let mut path = vec![format!("{}({})", function.name, function.frame)];
        path.extend(deepest.1);
        let depth = (function.frame + deepest.0, path);
        self.known.insert(key, depth.clone());
        Ok(depth)
    }
}
