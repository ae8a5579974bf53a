//! The instructions of AVX-512 that native code is made of, as bytes (Intel 64 and IA-32 Architectures Software Developer's Manual,
//! volume 2, 2.7: the EVEX prefix).

/// A register of 512 bits, 0 to 31.
pub(super) type Zmm = u8;
/// A register of masks, 1 to 7; 0 stands for none.
pub(super) type Mask = u8;

/// A general register: those in which arguments are passed, and others that a function may overwrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum General {
    Rax = 0,
    Rcx = 1,
    Rdx = 2,
    Rsi = 6,
    Rdi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
}

/// A place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) base: General,
    pub(super) offset: i32,
}

impl Address {
    /// So many bytes further.
    pub(super) fn plus(self, bytes: usize) -> Address {
        let offset = self.offset + i32::try_from(bytes).expect("entries and numbers are bounded");
        Address { offset, ..self }
    }
}

/// The last operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    Register(Zmm),
    /// eight numbers
    Vector(Address),
    /// one number for all
    Number(Address),
}

/// Prefix bytes that the opcode belongs to.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Map {
    F = 1,
    F38 = 2,
    F3A = 3,
}

/// An instruction: map, opcode, and the byte at its end where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcode(pub(super) Map, pub(super) u8, pub(super) Option<u8>);

pub(super) const LOAD: Opcode = Opcode(Map::F, 0x10, None);
pub(super) const STORE: Opcode = Opcode(Map::F, 0x11, None);
pub(super) const BROADCAST: Opcode = Opcode(Map::F38, 0x19, None);
pub(super) const ADD: Opcode = Opcode(Map::F, 0x58, None);
pub(super) const MUL: Opcode = Opcode(Map::F, 0x59, None);
pub(super) const SUB: Opcode = Opcode(Map::F, 0x5c, None);
pub(super) const MIN: Opcode = Opcode(Map::F, 0x5d, None);
pub(super) const DIV: Opcode = Opcode(Map::F, 0x5e, None);
pub(super) const MAX: Opcode = Opcode(Map::F, 0x5f, None);
pub(super) const SQRT: Opcode = Opcode(Map::F, 0x51, None);
pub(super) const SCALE: Opcode = Opcode(Map::F38, 0x2c, None);
pub(super) const AND: Opcode = Opcode(Map::F, 0xdb, None);
pub(super) const OR: Opcode = Opcode(Map::F, 0xeb, None);
pub(super) const XOR: Opcode = Opcode(Map::F, 0xef, None);
pub(super) const ADD_BITS: Opcode = Opcode(Map::F, 0xd4, None);
/// the bits of the second where the third has a 1, else those of the target
pub(super) const CHOOSE_BITS: Opcode = Opcode(Map::F3A, 0x25, Some(0xd8));
/// the last operand where the mask has a 1, else the second
pub(super) const BLEND: Opcode = Opcode(Map::F38, 0x65, None);
/// target = entries of the second and the last operand, whose places the target holds
pub(super) const PERMUTE: Opcode = Opcode(Map::F38, 0x77, None);
/// target = target last + second
pub(super) const MUL_ADD_132: Opcode = Opcode(Map::F38, 0x98, None);
/// target = second target + last
pub(super) const MUL_ADD_213: Opcode = Opcode(Map::F38, 0xa8, None);
/// target = second last + target
pub(super) const MUL_ADD_231: Opcode = Opcode(Map::F38, 0xb8, None);

impl Opcode {
    /// The same with the product subtracted.
    pub(super) fn negated(self) -> Opcode {
        let Opcode(map, code, end) = self;
        Opcode(map, code + 4, end)
    }
}

/// Machine code.
#[derive(Default)]
pub(super) struct Assembler {
    pub(super) bytes: Vec<u8>,
}

impl Assembler {
    /// `target = operation(second, last)`; `second` is 0 where there is none.
    pub(super) fn operation(
        &mut self,
        Opcode(map, code, end): Opcode,
        target: Zmm,
        second: Zmm,
        last: Operand,
    ) {
        self.evex(map, code, target, second, last, 0, None);
        self.bytes.extend(end);
    }

    pub(super) fn load(&mut self, target: Zmm, from: Address) {
        self.operation(LOAD, target, 0, Operand::Vector(from));
    }

    pub(super) fn store(&mut self, from: Zmm, to: Address) {
        self.operation(STORE, from, 0, Operand::Vector(to));
    }

    /// One number for all.
    pub(super) fn broadcast(&mut self, target: Zmm, from: Address) {
        // the prefix has no bit for it: the operand is one number
        self.evex(
            Map::F38,
            BROADCAST.1,
            target,
            0,
            Operand::Vector(from),
            0,
            Some(8),
        );
    }

    pub(super) fn copy(&mut self, target: Zmm, from: Zmm) {
        self.operation(LOAD, target, 0, Operand::Register(from));
    }

    /// Bits shifted by 52, up or down.
    pub(super) fn shift_by_52(&mut self, target: Zmm, from: Zmm, up: bool) {
        let extension = if up { 6 } else { 2 };
        self.evex(Map::F, 0x73, extension, target, Operand::Register(from), 0, None);
        self.bytes.push(52);
    }

    /// The mask of the entries for which a comparison holds, by its number in the manual.
    pub(super) fn compare(&mut self, mask: Mask, comparison: u8, first: Zmm, last: Operand) {
        self.evex(Map::F, 0xc2, mask, first, last, 0, None);
        self.bytes.push(comparison);
    }

    /// `last` where the mask has a 1, else `second`.
    pub(super) fn blend(&mut self, target: Zmm, mask: Mask, second: Zmm, last: Operand) {
        self.evex(BLEND.0, BLEND.1, target, second, last, mask, None);
    }

    /// All entries whose places from `base` on the register holds; the target must be another.
    pub(super) fn gather(&mut self, target: Zmm, mask: Mask, base: General, places: Zmm) {
        // the mask is all ones before, and 0 behind
        let inverted = !mask & 7;
        self.bytes
            .extend([0xc5, 0x84 | (8 + inverted) << 3, 0x46, 0xc0 | mask << 3 | mask]);
        // so that the gather does not wait for what stood there
        self.operation(XOR, target, target, Operand::Register(target));
        let base = base as u8;
        let prefix = [
            (!target & 8) << 4 | (!places & 8) << 3 | (!base & 8) << 2 | (!target & 16) | Map::F38 as u8,
            0xfd,
            0x40 | (!places & 16) >> 1 | mask,
        ];
        self.bytes.push(0x62);
        self.bytes.extend(prefix);
        // with a scale of eight and no offset
        self.bytes
            .extend([0x93, (target & 7) << 3 | 4, 0xc0 | (places & 7) << 3 | base & 7]);
    }

    /// An address, or another whole number.
    pub(super) fn constant(&mut self, target: General, value: u64) {
        let target = target as u8;
        self.bytes.extend([0x48 | target >> 3, 0xb8 | target & 7]);
        self.bytes.extend(value.to_le_bytes());
    }

    /// A pointer so many bytes behind another.
    pub(super) fn pointer(&mut self, target: General, from: General, bytes: i32) {
        let (target, from) = (target as u8, from as u8);
        self.bytes.extend([
            0x48 | target >> 3 << 2 | from >> 3,
            0x8d,
            0x80 | (target & 7) << 3 | from & 7,
        ]);
        self.bytes.extend(bytes.to_le_bytes());
    }

    /// Moves a pointer on.
    pub(super) fn advance(&mut self, pointer: General, bytes: i32) {
        let pointer = pointer as u8;
        self.bytes.extend([0x48 | pointer >> 3, 0x81, 0xc0 | pointer & 7]);
        self.bytes.extend(bytes.to_le_bytes());
    }

    /// Counts down, and goes back to a place in the code unless nothing is left.
    pub(super) fn again(&mut self, counter: General, to: usize) {
        let counter = counter as u8;
        self.bytes.extend([0x48 | counter >> 3, 0xff, 0xc8 | counter & 7]);
        let distance = to as i64 - (self.bytes.len() as i64 + 6);
        self.bytes.extend([0x0f, 0x85]);
        self.bytes.extend((distance as i32).to_le_bytes());
    }

    /// Back to the caller, whose code may use narrower registers.
    pub(super) fn finish(&mut self) {
        self.bytes.extend([0xc5, 0xf8, 0x77, 0xc3]);
    }

    /// The prefix for 512 bits of numbers of 64 bits, the opcode, and the operands.
    #[expect(clippy::too_many_arguments, reason = "the parts of an instruction")]
    fn evex(
        &mut self,
        map: Map,
        code: u8,
        target: u8,
        second: u8,
        last: Operand,
        mask: Mask,
        unit: Option<i32>,
    ) {
        let (base, broadcast) = match last {
            Operand::Register(register) => (register, 0),
            Operand::Vector(address) => (address.base as u8, 0),
            Operand::Number(address) => (address.base as u8, 0x10),
        };
        // the fifth bit of a register stands where that of an index of an address would
        let extended = if matches!(last, Operand::Register(_)) {
            !base & 16
        } else {
            16
        };
        self.bytes.extend([
            0x62,
            (!target & 8) << 4 | extended << 2 | (!base & 8) << 2 | (!target & 16) | map as u8,
            0x85 | (!second & 15) << 3,
            0x40 | broadcast | (!second & 16) >> 1 | mask,
            code,
        ]);
        let fields = (target & 7) << 3 | base & 7;
        let (address, unit) = match last {
            Operand::Register(_) => {
                self.bytes.push(0xc0 | fields);
                return;
            }
            Operand::Vector(address) => (address, unit.unwrap_or(64)),
            Operand::Number(address) => (address, 8),
        };
        // one byte holds small multiples of what is read
        match i8::try_from(address.offset / unit) {
            Ok(short) if address.offset % unit == 0 => self.bytes.extend([0x40 | fields, short as u8]),
            _ => {
                self.bytes.push(0x80 | fields);
                self.bytes.extend(address.offset.to_le_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(base: General, offset: i32) -> Address {
        Address { base, offset }
    }

    /// Against the bytes of the GNU assembler 2.40.
    #[test]
    fn instructions_have_their_bytes() {
        use General::{R8, R9, R10, R11, Rax, Rcx, Rdi, Rdx, Rsi};
        use Operand::{Number, Register, Vector};
        type Write = fn(&mut Assembler);
        let cases: &[(&str, Write, &str)] = &[
            (
                "vmovupd zmm17, [rdi+0x40]",
                |a| a.load(17, at(Rdi, 0x40)),
                "62e1fd48104f01",
            ),
            (
                "vmovupd [rcx-0x2000], zmm9",
                |a| a.store(9, at(Rcx, -0x2000)),
                "6271fd48114980",
            ),
            (
                "vmovupd [rcx+0x2000], zmm9",
                |a| a.store(9, at(Rcx, 0x2000)),
                "6271fd48118900200000",
            ),
            (
                "vbroadcastsd zmm30, [r8+0x18]",
                |a| a.broadcast(30, at(R8, 0x18)),
                "6242fd48197003",
            ),
            (
                "vbroadcastsd zmm3, [rax-0x1000]",
                |a| a.broadcast(3, at(Rax, -0x1000)),
                "62f2fd48199800f0ffff",
            ),
            ("vmovupd zmm1, zmm31", |a| a.copy(1, 31), "6291fd4810cf"),
            (
                "vaddpd zmm0, zmm15, zmm16",
                |a| a.operation(ADD, 0, 15, Register(16)),
                "62b1854858c0",
            ),
            (
                "vsubpd zmm8, zmm24, [rsi+0x1000]",
                |a| a.operation(SUB, 8, 24, Vector(at(Rsi, 0x1000))),
                "6271bd405c4640",
            ),
            (
                "vmulpd zmm31, zmm7, [r8+0x3f8]{1to8}",
                |a| a.operation(MUL, 31, 7, Number(at(R8, 0x3f8))),
                "6241c55859787f",
            ),
            (
                "vminpd zmm2, zmm3, zmm4",
                |a| a.operation(MIN, 2, 3, Register(4)),
                "62f1e5485dd4",
            ),
            (
                "vmaxpd zmm2, zmm3, zmm4",
                |a| a.operation(MAX, 2, 3, Register(4)),
                "62f1e5485fd4",
            ),
            (
                "vdivpd zmm12, zmm13, [rdx+0x1fc0]",
                |a| a.operation(DIV, 12, 13, Vector(at(Rdx, 0x1fc0))),
                "627195485e627f",
            ),
            (
                "vsqrtpd zmm20, zmm21",
                |a| a.operation(SQRT, 20, 0, Register(21)),
                "62a1fd4851e5",
            ),
            (
                "vscalefpd zmm5, zmm6, zmm7",
                |a| a.operation(SCALE, 5, 6, Register(7)),
                "62f2cd482cef",
            ),
            (
                "vpandq zmm1, zmm2, [r8+0x400]{1to8}",
                |a| a.operation(AND, 1, 2, Number(at(R8, 0x400))),
                "62d1ed58db8800040000",
            ),
            (
                "vporq zmm1, zmm2, zmm3",
                |a| a.operation(OR, 1, 2, Register(3)),
                "62f1ed48ebcb",
            ),
            (
                "vpaddq zmm1, zmm2, zmm3",
                |a| a.operation(ADD_BITS, 1, 2, Register(3)),
                "62f1ed48d4cb",
            ),
            (
                "vpternlogq zmm19, zmm2, [r8+8]{1to8}, 0xd8",
                |a| a.operation(CHOOSE_BITS, 19, 2, Number(at(R8, 8))),
                "62c3ed58255801d8",
            ),
            (
                "vfmadd132pd zmm1, zmm2, zmm3",
                |a| a.operation(MUL_ADD_132, 1, 2, Register(3)),
                "62f2ed4898cb",
            ),
            (
                "vfmadd213pd zmm28, zmm9, [rcx+0x80]",
                |a| a.operation(MUL_ADD_213, 28, 9, Vector(at(Rcx, 0x80))),
                "6262b548a86102",
            ),
            (
                "vfmadd231pd zmm4, zmm5, [rax+8]{1to8}",
                |a| a.operation(MUL_ADD_231, 4, 5, Number(at(Rax, 8))),
                "62f2d558b86001",
            ),
            (
                "vfnmadd132pd zmm1, zmm2, zmm3",
                |a| a.operation(MUL_ADD_132.negated(), 1, 2, Register(3)),
                "62f2ed489ccb",
            ),
            (
                "vfnmadd213pd zmm1, zmm2, zmm3",
                |a| a.operation(MUL_ADD_213.negated(), 1, 2, Register(3)),
                "62f2ed48accb",
            ),
            (
                "vfnmadd231pd zmm1, zmm2, zmm3",
                |a| a.operation(MUL_ADD_231.negated(), 1, 2, Register(3)),
                "62f2ed48bccb",
            ),
            (
                "vpsllq zmm18, zmm27, 52",
                |a| a.shift_by_52(18, 27, true),
                "6291ed4073f334",
            ),
            (
                "vpsrlq zmm3, zmm4, 52",
                |a| a.shift_by_52(3, 4, false),
                "62f1e54873d434",
            ),
            (
                "vcmplt_oqpd k3, zmm29, zmm6",
                |a| a.compare(3, 0x11, 29, Register(6)),
                "62f19540c2de11",
            ),
            (
                "vcmple_oqpd k1, zmm9, [rdi+0x40]",
                |a| a.compare(1, 0x12, 9, Vector(at(Rdi, 0x40))),
                "62f1b548c24f0112",
            ),
            (
                "vblendmpd zmm11{k2}, zmm12, zmm13",
                |a| a.blend(11, 2, 12, Register(13)),
                "62529d4a65dd",
            ),
            (
                "vblendmpd zmm26{k4}, zmm22, [r8+0x10]{1to8}",
                |a| a.blend(26, 4, 22, Number(at(R8, 0x10))),
                "6242cd54655002",
            ),
            (
                "vpermi2pd zmm10, zmm28, [r11+0x40]",
                |a| a.operation(PERMUTE, 10, 28, Vector(at(R11, 0x40))),
                "62529d40775301",
            ),
            (
                "kxnorw k3, k3, k3; vpxorq zmm21, zmm21, zmm21; vgatherqpd zmm21{k3}, [r11+zmm30*8]",
                |a| a.gather(21, 3, R11, 30),
                "c5e446db62a1d540efed6282fd43932cf3",
            ),
            (
                "kxnorw k1, k1, k1; vpxorq zmm9, zmm9, zmm9; vgatherqpd zmm9{k1}, [r11+zmm4*8]",
                |a| a.gather(9, 1, R11, 4),
                "c5f446c96251b548efc96252fd49930ce3",
            ),
            (
                "movabs r11, ...",
                |a| a.constant(R11, 0x1234_5678_9abc_def0),
                "49bbf0debc9a78563412",
            ),
            ("movabs rax, 1", |a| a.constant(Rax, 1), "48b80100000000000000"),
            (
                "lea rax, [r8-0x12345678]",
                |a| a.pointer(Rax, R8, -0x1234_5678),
                "498d8088a9cbed",
            ),
            ("add rdi, 0x12345", |a| a.advance(Rdi, 0x12345), "4881c745230100"),
            ("add r10, 0x12345", |a| a.advance(R10, 0x12345), "4981c245230100"),
            (
                "dec r9; jne back to the start",
                |a| a.again(R9, 0),
                "49ffc90f85f7ffffff",
            ),
            ("vzeroupper; ret", Assembler::finish, "c5f877c3"),
        ];
        for (text, write, expected) in cases {
            let mut assembler = Assembler::default();
            write(&mut assembler);
            let bytes: String = assembler.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes, *expected, "{text}");
        }
    }
}
