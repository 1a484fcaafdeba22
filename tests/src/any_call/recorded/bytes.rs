//! Recordings as bytes, for fuzz targets: any bytes are a recording, so a changed one is another.

use super::{
    Auth, Call, Descriptor, Handed, Place, Recording, Shape, Value,
    functions::{FUNCTIONS, Kind},
};

/// What such bytes begin with; others are those of [`calls`](super::super::calls).
const MAGIC: &[u8] = b"calls:";

/// No recording is longer.
const MOST_CALLS: usize = 80;

/// No buffer is larger, and no string longer.
const LARGEST: u32 = 1 << 17;

impl Recording {
    /// The recording that these bytes are, if they begin as one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut source = Source(bytes.strip_prefix(MAGIC)?);
        let mut calls = Vec::new();
        while !source.0.is_empty() && calls.len() < MOST_CALLS {
            calls.push(source.call());
        }
        Some(Self { calls })
    }

    /// Its bytes, without what was answered.
    ///
    /// # Panics
    /// When it is longer than what is read again.
    pub fn to_bytes(&self) -> Vec<u8> {
        assert!(self.calls.len() <= MOST_CALLS, "{} calls", self.calls.len());
        let mut bytes = MAGIC.to_vec();
        self.calls.iter().for_each(|call| put_call(&mut bytes, call));
        bytes
    }
}

/// Behind the end everything is zero.
struct Source<'b>(&'b [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn word(&mut self) -> u32 {
        u32::from(self.short()) | u32::from(self.short()) << 16
    }

    fn call(&mut self) -> Call {
        let function = &FUNCTIONS[usize::from(self.byte()) % FUNCTIONS.len()];
        let form = self.byte();
        let values = function.parameters.iter().enumerate();
        let values = values.map(|(index, &(_, kind))| self.value(index, kind)).collect();
        let gives = Some(form >> 1).filter(|&number| number > 0);
        Call { function, wide: function.has_forms && form & 1 == 1, values, gives, status: None }
    }

    /// A value that a parameter of this kind can have.
    fn value(&mut self, index: usize, kind: Kind) -> Value {
        if kind == Kind::Number {
            return Value::Number(self.word());
        }
        match self.byte() % 8 {
            0 => Value::Null,
            1 => Value::Small(self.short()),
            2 if index > 0 => Value::Same(self.byte() % u8::try_from(index).unwrap_or(u8::MAX)),
            tag => match kind {
                Kind::Auth => Value::Auth(self.auth()),
                Kind::Buffer | Kind::Buffers => Value::Buffers(self.descriptor(tag == 7)),
                Kind::Handle => Value::Handle(match tag {
                    4 => Handed::Zero,
                    5 => Handed::Ones,
                    6 => Handed::Other,
                    _ => Handed::Given(self.byte()),
                }),
                Kind::Text if tag == 7 => Value::Package(self.byte() % 6),
                Kind::Text if tag == 6 => Value::Address(self.short() % 4096),
                Kind::Text => Value::Text(self.short() % 4096),
                Kind::Number | Kind::Place => Value::At,
            },
        }
    }

    fn auth(&mut self) -> Auth {
        let form = self.byte();
        let extended = (form & 1 == 1).then(|| self.word());
        let flags = self.word();
        let parts = if extended.is_some() { 4 } else { 3 };
        // A length at a null pointer may be any; memory is as long as it is said to be.
        let part = |bit: usize| (form >> (bit + 1) & 1 == 0, self.short() % 4096);
        Auth { extended, flags, parts: (0..parts).map(part).collect() }
    }

    fn descriptor(&mut self, is_odd: bool) -> Descriptor {
        let version = if is_odd { self.word() } else { 0 };
        let count = self.byte();
        if count & 0x80 != 0 {
            return Descriptor { version, without: Some(count & 0x7F), buffers: Vec::new() };
        }
        let buffers = (0..count % 9).map(|index| self.shape(index)).collect();
        Descriptor { version, without: None, buffers }
    }

    fn shape(&mut self, index: u8) -> Shape {
        let (kind, size) = (self.word(), self.word() % LARGEST);
        let place = match self.byte() % 4 {
            1 => Place::Null,
            2 if index > 0 => Place::In(self.byte() % index, self.short()),
            3 => Place::Small,
            _ => Place::Own,
        };
        Shape { kind, size, place }
    }
}

fn put_call(bytes: &mut Vec<u8>, call: &Call) {
    let at = FUNCTIONS.iter().position(|known| known == call.function).expect("it is one of them");
    bytes.push(u8::try_from(at).expect("there are few"));
    bytes.push(u8::from(call.wide) | call.gives.unwrap_or(0) << 1);
    call.values
        .iter()
        .zip(call.function.parameters)
        .for_each(|(value, (_, kind))| put_value(bytes, value, *kind));
}

fn put_value(bytes: &mut Vec<u8>, value: &Value, kind: Kind) {
    match value {
        Value::Number(number) => bytes.extend(number.to_le_bytes()),
        Value::Null => bytes.push(0),
        Value::Small(address) => {
            bytes.push(1);
            bytes.extend(address.to_le_bytes());
        }
        Value::Same(index) => bytes.extend([2, *index]),
        Value::At => bytes.push(3),
        Value::Handle(Handed::Given(number)) => bytes.extend([3, *number]),
        Value::Handle(Handed::Zero) => bytes.push(4),
        Value::Handle(Handed::Ones) => bytes.push(5),
        Value::Handle(Handed::Other) => bytes.push(6),
        Value::Package(index) => bytes.extend([7, *index]),
        Value::Text(length) => {
            bytes.push(3);
            bytes.extend(length.to_le_bytes());
        }
        Value::Address(length) => {
            bytes.push(6);
            bytes.extend(length.to_le_bytes());
        }
        Value::Auth(auth) => {
            bytes.push(3);
            let null = |(bit, (is_there, _)): (usize, &(bool, u16))| u8::from(!is_there) << (bit + 1);
            let nulls: u8 = auth.parts.iter().enumerate().map(null).sum();
            bytes.push(u8::from(auth.extended.is_some()) | nulls);
            bytes.extend(auth.extended.iter().flat_map(|length| length.to_le_bytes()));
            bytes.extend(auth.flags.to_le_bytes());
            bytes.extend(auth.parts.iter().flat_map(|(_, length)| length.to_le_bytes()));
        }
        Value::Buffers(descriptor) => {
            assert!(matches!(kind, Kind::Buffer | Kind::Buffers), "{kind:?}");
            bytes.push(if descriptor.version == 0 { 3 } else { 7 });
            if descriptor.version != 0 {
                bytes.extend(descriptor.version.to_le_bytes());
            }
            bytes.push(match descriptor.without {
                Some(count) => count | 0x80,
                None => u8::try_from(descriptor.buffers.len()).expect("there are few"),
            });
            descriptor.buffers.iter().for_each(|shape| put_shape(bytes, shape));
        }
    }
}

fn put_shape(bytes: &mut Vec<u8>, shape: &Shape) {
    bytes.extend(shape.kind.to_le_bytes());
    bytes.extend(shape.size.to_le_bytes());
    match shape.place {
        Place::Own => bytes.push(0),
        Place::Null => bytes.push(1),
        Place::In(of, at) => {
            bytes.extend([2, of]);
            bytes.extend(at.to_le_bytes());
        }
        Place::Small => bytes.push(3),
    }
}
