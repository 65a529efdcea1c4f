//! Python's pickle, every protocol, as far as data needs it: nothing is called, only noted.
//!
//! candle's reader is not used. It copies the object on top for each code that names it, so
//! `N` and then `q\0h\0\x86` thirty times (152 bytes) makes 2^30 objects; it shifts beyond 64 bits at
//! `\x8a\x09` with nine bytes after it; and it knows no code of protocol 4, such as `\x95`.
//! Here objects lie in one list and name each other by number, so there are no more of them than
//! the pickle has codes, and none is within itself by copying.

use std::collections::BTreeMap;

/// An object's number.
pub(super) type Id = usize;

/// An object, as far as a state_dict needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    Int(i64),
    Text(String),
    /// A class or a function by its module and name.
    Global(String, String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// What a function would return, or an instance of a class.
    Call {
        callable: Id,
        args: Id,
    },
    /// What lies outside of the pickle.
    Persistent(Id),
    /// Anything else.
    Other,
}

/// A pickle's objects.
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Id,
}

impl Pickle {
    /// Reads a pickle up to its end code.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut machine = Machine {
            rest: bytes,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
        };
        loop {
            let at = bytes.len() - machine.rest.len();
            let Some((&code, rest)) = machine.rest.split_first() else {
                return Err(format!(
                    "found a pickle that is cut off after {at} bytes, expected a state_dict"
                ));
            };
            machine.rest = rest;
            let root = machine.step(code).ok_or_else(|| {
                format!("found a pickle that is damaged at byte {at} (code {code:#04x}), expected a state_dict")
            })?;
            if let Some(root) = root {
                let objects = machine.objects;
                return Ok(Self { objects, root });
            }
        }
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    pub(super) fn get(&self, id: Id) -> &Object {
        &self.objects[id]
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn size(&self, id: Id) -> Option<usize> {
        match *self.get(id) {
            Object::Int(n) => usize::try_from(n).ok(),
            _ => None,
        }
    }

    /// The parts of a tuple or a list.
    pub(super) fn parts(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(parts) | Object::List(parts) => Some(parts),
            _ => None,
        }
    }

    pub(super) fn dict(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The name of a class or a function.
    pub(super) fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Global(_, name) => Some(name),
            _ => None,
        }
    }

    /// The function's name and the arguments of a call.
    pub(super) fn call(&self, id: Id) -> Option<(&str, &[Id])> {
        match *self.get(id) {
            Object::Call { callable, args } => Some((self.global(callable)?, self.parts(args)?)),
            _ => None,
        }
    }
}

/// Pickle's machine. A step is `None` where the pickle is damaged.
struct Machine<'b> {
    rest: &'b [u8],
    objects: Vec<Object>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Id>,
}

impl<'b> Machine<'b> {
    /// Carries out a code; the pickle's object at its end.
    fn step(&mut self, code: u8) -> Option<Option<Id>> {
        match code {
            b'.' => return self.stack.pop().map(Some),
            // The protocol's number, and the length of what follows: nothing to do.
            0x80 => _ = self.take(1)?,
            0x95 => _ = self.take(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => _ = self.pop()?,
            b'1' => _ = self.pop_to_mark()?,
            b'2' => self.stack.push(*self.stack.last()?),

            b'N' | 0x88 | 0x89 | 0x97 => self.push(Object::Other),
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => {
                let n = i32::from_le_bytes(self.take(4)?.try_into().ok()?);
                self.push(Object::Int(n.into()));
            }
            b'I' | b'L' => {
                let line = self.line()?;
                let number = line.trim_end_matches('L').parse();
                self.push(number.map_or(Object::Other, Object::Int));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'F' => self.other_line()?,
            b'G' => self.other(8)?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            // Python 2 wrote names as bytes.
            b'T' => self.text(4)?,
            b'U' => self.text(1)?,
            b'V' => {
                let line = self.line()?.to_owned();
                self.push(Object::Text(line));
            }
            b'S' => {
                let line = self.line()?.trim_matches(['\'', '"']).to_owned();
                self.push(Object::Text(line));
            }
            b'B' => self.other_counted(4)?,
            b'C' => self.other_counted(1)?,
            0x8e | 0x96 => self.other_counted(8)?,
            // An extension's number.
            0x82 => self.other(1)?,
            0x83 => self.other(2)?,
            0x84 => self.other(4)?,
            // A buffer that may not be changed is the buffer.
            0x98 => _ = self.stack.last()?,

            b')' => self.push(Object::Tuple(Vec::new())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let parts = self.pop_to_mark()?;
                self.push(Object::Tuple(parts));
            }
            b']' | 0x8f => self.push(Object::List(Vec::new())),
            b'l' | 0x91 => {
                let parts = self.pop_to_mark()?;
                self.push(Object::List(parts));
            }
            b'}' => self.push(Object::Dict(Vec::new())),
            b'd' => {
                let pairs = pairs(&self.pop_to_mark()?);
                self.push(Object::Dict(pairs));
            }
            b'a' => {
                let part = self.pop()?;
                self.extend(&[part])?;
            }
            b'e' | 0x90 => {
                let parts = self.pop_to_mark()?;
                self.extend(&parts)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let parts = self.pop_to_mark()?;
                self.set(&parts)?;
            }

            b'c' => {
                let (module, name) = (self.line()?.to_owned(), self.line()?.to_owned());
                self.push(Object::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(module), Object::Text(name)) =
                    (&self.objects[module], &self.objects[name])
                else {
                    return None;
                };
                let global = Object::Global(module.clone(), name.clone());
                self.push(global);
            }
            b'R' | 0x81 => {
                let (args, callable) = (self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            0x92 => {
                let (_named, args, callable) = (self.pop()?, self.pop()?, self.pop()?);
                self.call(callable, args);
            }
            b'o' => {
                let parts = self.pop_to_mark()?;
                let (&callable, args) = parts.split_first()?;
                let args = self.add(Object::Tuple(args.to_vec()));
                self.call(callable, args);
            }
            b'i' => {
                let (module, name) = (self.line()?.to_owned(), self.line()?.to_owned());
                let callable = self.add(Object::Global(module, name));
                let args = self.pop_to_mark()?;
                let args = self.add(Object::Tuple(args));
                self.call(callable, args);
            }
            // The attributes of an object; a dictionary's are none of its entries.
            b'b' => _ = self.pop()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Object::Persistent(id));
            }
            b'P' => self.other_line()?,

            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            b'p' => {
                let key = self.line()?.parse().ok()?;
                self.memo.insert(key, *self.stack.last()?);
            }
            0x94 => {
                let key = self.memo.len() as u64;
                self.memo.insert(key, *self.stack.last()?);
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'g' => {
                let key: u64 = self.line()?.parse().ok()?;
                self.stack.push(*self.memo.get(&key)?);
            }
            _ => return None,
        }
        Some(None)
    }

    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    /// An unsigned number of so many bytes.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let mut eight = [0; 8];
        eight[..bytes].copy_from_slice(self.take(bytes)?);
        Some(u64::from_le_bytes(eight))
    }

    /// As many bytes as a number of so many bytes says.
    fn counted(&mut self, bytes: usize) -> Option<&'b [u8]> {
        let n = usize::try_from(self.number(bytes)?).ok()?;
        self.take(n)
    }

    fn line(&mut self) -> Option<&'b str> {
        let end = self.rest.iter().position(|&b| b == b'\n')?;
        let line = self.take(end + 1)?;
        Some(std::str::from_utf8(line).ok()?.trim_end())
    }

    fn add(&mut self, object: Object) -> Id {
        self.objects.push(object);
        self.objects.len() - 1
    }

    fn push(&mut self, object: Object) {
        let id = self.add(object);
        self.stack.push(id);
    }

    /// Nothing is popped from below a mark.
    fn pop(&mut self) -> Option<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        (self.stack.len() > floor).then(|| self.stack.pop())?
    }

    fn pop_to_mark(&mut self) -> Option<Vec<Id>> {
        let mark = self.marks.pop()?;
        (mark <= self.stack.len()).then(|| self.stack.split_off(mark))
    }

    fn int(&mut self, bytes: usize) -> Option<()> {
        let n = self.number(bytes)?;
        self.push(Object::Int(n as i64));
        Some(())
    }

    /// An integer of any length; one beyond 64 bits is of no use here.
    fn long(&mut self, bytes: usize) -> Option<()> {
        let digits = self.counted(bytes)?;
        let object = match digits.last() {
            _ if digits.len() > 8 => Object::Other,
            None => Object::Int(0),
            Some(&last) => {
                let mut eight = [if last >= 0x80 { 0xff } else { 0 }; 8];
                eight[..digits.len()].copy_from_slice(digits);
                Object::Int(i64::from_le_bytes(eight))
            }
        };
        self.push(object);
        Some(())
    }

    fn text(&mut self, bytes: usize) -> Option<()> {
        let text = self.counted(bytes)?;
        // Bytes that are no text can be no name.
        let object = std::str::from_utf8(text).map(|text| Object::Text(text.to_owned()));
        self.push(object.unwrap_or(Object::Other));
        Some(())
    }

    fn other(&mut self, bytes: usize) -> Option<()> {
        self.take(bytes)?;
        self.push(Object::Other);
        Some(())
    }

    fn other_counted(&mut self, bytes: usize) -> Option<()> {
        self.counted(bytes)?;
        self.push(Object::Other);
        Some(())
    }

    fn other_line(&mut self) -> Option<()> {
        self.line()?;
        self.push(Object::Other);
        Some(())
    }

    fn tuple(&mut self, n: usize) -> Option<()> {
        let mut parts = Vec::with_capacity(n);
        for _ in 0..n {
            parts.push(self.pop()?);
        }
        parts.reverse();
        self.push(Object::Tuple(parts));
        Some(())
    }

    /// Adds to the list on top; what is no list keeps its parts to itself.
    fn extend(&mut self, parts: &[Id]) -> Option<()> {
        if let Object::List(list) = &mut self.objects[*self.stack.last()?] {
            list.extend(parts);
        }
        Some(())
    }

    /// Adds to the dictionary on top.
    fn set(&mut self, parts: &[Id]) -> Option<()> {
        if let Object::Dict(dict) = &mut self.objects[*self.stack.last()?] {
            dict.extend(pairs(parts));
        }
        Some(())
    }

    fn call(&mut self, callable: Id, args: Id) {
        let is_dict = matches!(
            &self.objects[callable],
            Object::Global(module, name)
                if module == "collections" && ["OrderedDict", "defaultdict"].contains(&&name[..])
        );
        self.push(match is_dict {
            true => Object::Dict(Vec::new()),
            false => Object::Call { callable, args },
        });
    }

    fn put(&mut self, bytes: usize) -> Option<()> {
        let key = self.number(bytes)?;
        self.memo.insert(key, *self.stack.last()?);
        Some(())
    }

    fn recall(&mut self, bytes: usize) -> Option<()> {
        let key = self.number(bytes)?;
        self.stack.push(*self.memo.get(&key)?);
        Some(())
    }
}

/// Keys and values that follow each other.
fn pairs(parts: &[Id]) -> Vec<(Id, Id)> {
    let pairs = parts.as_chunks::<2>().0.iter();
    pairs.map(|&[key, value]| (key, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(pickle: &[u8]) -> String {
        let error = Pickle::read(pickle).map(|p| p.root).unwrap_err();
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    #[test]
    fn hostile_pickles_are_refused() {
        assert!(error(b"").contains("cut off after 0 bytes"));
        assert!(error(b"\x80\x02\xff").contains("damaged at byte 2 (code 0xff)"));
        assert!(error(b"X\xff\xff\xff\xffabc").contains("damaged at byte 0"));
        assert!(error(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc").contains("damaged at byte 0"));
        assert!(error(b"\x8a\xffabc").contains("damaged at byte 0"));
        assert!(error(b"R").contains("damaged at byte 0"));
        assert!(error(b"N(R").contains("damaged at byte 2"));
        assert!(error(b"h\x07").contains("damaged at byte 0"));
    }

    #[test]
    fn there_are_no_more_objects_than_codes() {
        // Each pair holds the last pair twice.
        let double = b"q\x00h\x00\x86".repeat(1000);
        let pickle = Pickle::read(&[b"N", &double[..], b"."].concat()).unwrap();
        assert_eq!(pickle.objects.len(), 1001);
        // A tuple in a tuple in a tuple ...
        let deep = [b"N".to_vec(), vec![0x85; 100_000], b".".to_vec()].concat();
        assert_eq!(Pickle::read(&deep).unwrap().objects.len(), 100_001);
        // A list within itself.
        let pickle = Pickle::read(b"]q\x00h\x00a.").unwrap();
        assert_eq!(pickle.parts(pickle.root()), Some(&[0][..]));
    }

    #[test]
    fn integers_of_every_length_and_protocol() {
        for (pickle, expected) in [
            (&b"K\xfe."[..], Object::Int(254)),
            (b"M\x01\x02.", Object::Int(513)),
            (b"J\xff\xff\xff\xff.", Object::Int(-1)),
            (b"I17\n.", Object::Int(17)),
            (b"L-5L\n.", Object::Int(-5)),
            (b"\x8a\x00.", Object::Int(0)),
            (b"\x8a\x02\x00\x80.", Object::Int(-32768)),
            (b"\x8b\x01\x00\x00\x00\x07.", Object::Int(7)),
            (
                b"\x8a\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09.",
                Object::Other,
            ),
        ] {
            let pickle = Pickle::read(pickle).unwrap();
            assert_eq!(pickle.get(pickle.root()), &expected);
        }
    }
}
