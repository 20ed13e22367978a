//! The headers of a JPEG 2000 codestream (ISO/IEC 15444-1 annex A): a few bytes may say that it has sixty
//! thousand tiles, or a code-block for each pixel. Before anything is unpacked, its size is held against the
//! object, and what it is divided into is counted. Every header must be as long as it says and as what it
//! holds, so that nobody who reads on reads another one.

use super::packing::{Claim, Samples};

const NONE: &str = "there is no JPEG 2000 in it";
const CUT: &str = "its JPEG 2000 ends before its end";
const SIZE: &str = "its JPEG 2000 is of another size than the object says";
const KIND: &str = "its JPEG 2000 is of a kind that is not unpacked";
const WRONG: &str = "a header of its JPEG 2000 is not as it should be";

/// Where a codestream begins: SOC and SIZ (table A.2).
const BEGIN: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
const EOC: [u8; 2] = [0xff, 0xd9];
/// Fields of SIZ before those of its components, in bytes.
const SIZ_BYTES: usize = 36;
/// Decomposition levels at most, and so sub-bands at most (table A.15).
const LEVELS_MAX: u8 = 32;
const BANDS_MAX: usize = 3 * 32 + 1;

/// Bytes of memory that the library takes for each of these, generously: vectors grow to three times what they
/// hold while they grow.
const PRECINCT_BYTES: u64 = 3 * 320;
const BLOCK_BYTES: u64 = 3 * 300;
const LAYER_BYTES: u64 = 3 * 24;
const SEGMENT_BYTES: u64 = 3 * 40;
const TILE_BYTES: u64 = 300;
const TILE_COMPONENT_BYTES: u64 = 800;
const TILE_PART_BYTES: u64 = 3 * 96;

/// Steps that are taken for a precinct or a code-block with nothing in it.
const PART_STEPS: u64 = 64;
/// Steps for both tag trees of a precinct, for each leaf of the square with a power of two that holds its code-blocks: a
/// tree is built by four visits below each of its nodes, also where nothing is.
const LEAF_STEPS: u64 = 3;

/// What is known of a codestream before it is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// From SOC on.
    pub(super) stream: &'a [u8],
    /// Of 1 to 16 bits.
    pub(super) samples: Samples,
    /// Each tile-part says where it ends, and no bits are to be added behind those of a segment.
    pub(super) complete: bool,
    /// Bytes of memory, at most, that what it is divided into takes.
    pub(super) parts_bytes: usize,
    /// Steps, at most, that are taken for what it is divided into, whatever is in it.
    pub(super) parts_steps: u64,
}

/// The head of a frame, if it is what the object says.
pub(super) fn head(frame: &[u8], claim: Claim) -> Result<Head<'_>, &'static str> {
    let stream = codestream(frame).ok_or(NONE)?;
    let mut rest = Cursor(stream);
    rest.take(BEGIN.len())?;
    let size = Size::read(&mut rest.segment()?, claim)?;
    let mut walk = Walk::new(size);
    while rest.peek() != Some([0xff, 0x90]) {
        walk.header(&mut rest, Place::Main)?;
    }
    walk.styled()?;
    while walk.tile_part(&mut rest)? {}
    if walk.seen.contains(&false) {
        return Err(CUT);
    }
    Ok(Head {
        stream,
        samples: Samples {
            bits: size.precision,
            signed: size.signed,
            lossy: walk.transform == Some(0),
            turned: walk.turned == Some(1),
        },
        complete: walk.complete,
        parts_steps: walk.parts_steps(),
        parts_bytes: usize::try_from(walk.parts_bytes(stream.len())).unwrap_or(usize::MAX),
    })
}

/// The codestream: the frame itself, or what lies in the box `jp2c` of a file (annex I), which some write
/// though it should not be there.
fn codestream(frame: &[u8]) -> Option<&[u8]> {
    if frame.starts_with(&BEGIN) {
        return Some(frame);
    }
    let mut rest = Cursor(frame);
    loop {
        let (length, kind) = (rest.long().ok()?, rest.take(4).ok()?);
        let bytes = match length {
            0 => rest.0.len(),
            1 => usize::try_from(rest.longer().ok()?.checked_sub(16)?).ok()?,
            length => usize::try_from(length.checked_sub(8)?).ok()?,
        };
        let within = rest.take(bytes).ok()?;
        if kind == b"jp2c" {
            return within.starts_with(&BEGIN).then_some(within);
        }
    }
}

/// What is left to be read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        self.take(N)?.try_into().map_err(|_| CUT)
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        self.array().map(|[byte]| byte)
    }

    fn short(&mut self) -> Result<u16, &'static str> {
        self.array().map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Result<u32, &'static str> {
        self.array().map(u32::from_be_bytes)
    }

    fn longer(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_be_bytes)
    }

    fn peek(&self) -> Option<[u8; 2]> {
        self.0.first_chunk().copied()
    }

    /// What a marker is followed by, as long as it says (section A.1.3).
    fn segment(&mut self) -> Result<Cursor<'a>, &'static str> {
        let length = usize::from(self.short()?).checked_sub(2).ok_or(WRONG)?;
        self.take(length).map(Cursor)
    }

    /// Nothing is left.
    const fn done(&self) -> Result<(), &'static str> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(WRONG)
        }
    }
}

/// SIZ (section A.5.1).
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Width and height of a tile.
    tile: (u64, u64),
    tiles: usize,
    components: u64,
    precision: u8,
    signed: bool,
}

impl Size {
    fn read(rest: &mut Cursor<'_>, claim: Claim) -> Result<Size, &'static str> {
        let mut fields = Cursor(rest.take(SIZ_BYTES)?);
        fields.short()?;
        let mut numbers = [0_u32; 8];
        for number in &mut numbers {
            *number = fields.long()?;
        }
        let [
            width,
            height,
            left,
            top,
            tile_width,
            tile_height,
            tile_left,
            tile_top,
        ] = numbers;
        let same = |number: u32, claimed: usize| usize::try_from(number) == Ok(claimed);
        let components = fields.short()?;
        let fits = same(width, claim.columns) && same(height, claim.rows);
        if !fits || usize::from(components) != claim.samples {
            return Err(SIZE);
        }
        if [left, top, tile_left, tile_top] != [0; 4] {
            return Err(KIND);
        }
        if tile_width == 0 || tile_height == 0 {
            return Err(WRONG);
        }
        let (precision, signed) = depth(rest, components)?;
        if usize::from(precision) > claim.bits {
            return Err(SIZE);
        }
        let tiles = u64::from(width.div_ceil(tile_width)) * u64::from(height.div_ceil(tile_height));
        Ok(Size {
            tile: (
                u64::from(tile_width.min(width)),
                u64::from(tile_height.min(height)),
            ),
            tiles: usize::from(u16::try_from(tiles).map_err(|_| WRONG)?),
            components: u64::from(components),
            precision,
            signed,
        })
    }
}

/// Bits of the samples and whether they have a sign, the same for all components, none of which is coarser.
fn depth(rest: &mut Cursor<'_>, components: u16) -> Result<(u8, bool), &'static str> {
    let all = (0..components).map(|_| rest.array::<3>());
    let all: Vec<[u8; 3]> = all.collect::<Result<_, _>>()?;
    rest.done()?;
    let &[depth, across, down] = all.first().ok_or(WRONG)?;
    let precision = (depth & 0x7f) + 1;
    let known = (1..=16).contains(&precision) && (across, down) == (1, 1);
    match known && all.iter().all(|one| *one == [depth, across, down]) {
        true => Ok((precision, depth & 0x80 != 0)),
        false => Err(KIND),
    }
}

/// Where a header stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Main,
    TilePart,
}

/// What was found in headers so far: of each the worst for memory.
struct Walk {
    size: Size,
    /// Tiles of which a part was found.
    seen: Vec<bool>,
    complete: bool,
    tile_parts: u64,
    layers: u64,
    /// Components are one behind the other, or turned into each other (table A.17).
    turned: Option<u8>,
    /// Which wavelet: with loss or without (table A.20). The library turns all tiles back by one.
    transform: Option<u8>,
    quantized: bool,
    precincts: u64,
    blocks: u64,
    /// Of a component of a tile.
    steps: u64,
    /// Segments of a code-block.
    segments: u64,
}

impl Walk {
    fn new(size: Size) -> Walk {
        Walk {
            size,
            seen: vec![false; size.tiles],
            complete: true,
            tile_parts: 0,
            layers: 1,
            turned: None,
            transform: None,
            quantized: false,
            precincts: 0,
            blocks: 0,
            steps: 0,
            segments: 1,
        }
    }

    /// The next marker and what it is followed by.
    fn header(&mut self, rest: &mut Cursor<'_>, place: Place) -> Result<(), &'static str> {
        let marker = rest.short()?;
        match (marker, place) {
            // Comments, lengths of packets, and where components lie say nothing about what is unpacked.
            (0xff64, _) | (0xff55 | 0xff63, Place::Main) | (0xff58, Place::TilePart) => {
                rest.segment().map(|_| ())
            }
            (0xff52, _) => self.coding(rest.segment()?),
            (0xff53, _) => self.coding_of_one(rest.segment()?),
            (0xff5c, _) => self.quantization(rest.segment()?),
            (0xff5d, _) => {
                let mut rest = rest.segment()?;
                rest.byte()?;
                self.quantization(rest)
            }
            (0xff5e, _) => {
                let mut rest = rest.segment()?;
                rest.take(3)?;
                rest.done()
            }
            (0xff00..=0xffff, _) => Err(KIND),
            _ => Err(WRONG),
        }
    }

    /// COD (section A.6.1).
    fn coding(&mut self, mut rest: Cursor<'_>) -> Result<(), &'static str> {
        let flags = rest.byte()?;
        rest.byte()?;
        self.layers = self.layers.max(u64::from(rest.short()?));
        let turned = rest.byte()?;
        if turned > 1 || *self.turned.get_or_insert(turned) != turned {
            return Err(KIND);
        }
        self.style(flags, rest)
    }

    /// COC (section A.6.2).
    fn coding_of_one(&mut self, mut rest: Cursor<'_>) -> Result<(), &'static str> {
        rest.byte()?;
        let flags = rest.byte()?;
        self.style(flags, rest)
    }

    /// How a component is divided (tables A.15 and A.20 to A.21).
    fn style(&mut self, flags: u8, mut rest: Cursor<'_>) -> Result<(), &'static str> {
        let levels = rest.byte()?;
        let block = (rest.byte()?, rest.byte()?);
        let (style, transform) = (rest.byte()?, rest.byte()?);
        if levels > LEVELS_MAX || block.0 > 8 || block.1 > 8 {
            return Err(WRONG);
        }
        // The highest bits of the style are of HTJ2K (ISO/IEC 15444-15 table A.4).
        let other = *self.transform.get_or_insert(transform) != transform;
        if other || transform > 1 || style & 0xc0 != 0 {
            return Err(KIND);
        }
        let (mut precincts, mut blocks, mut steps) = (0_u64, 0_u64, 0_u64);
        for level in (0..=levels).rev() {
            let exponents = if flags & 1 == 1 { rest.byte()? } else { 0xff };
            let exponents = (exponents & 0x0f, exponents >> 4);
            let lowest = level == levels;
            let across = divided(
                self.size.tile.0,
                (level, lowest),
                (exponents.0, block.0 + 2),
            )?;
            let down = divided(
                self.size.tile.1,
                (level, lowest),
                (exponents.1, block.1 + 2),
            )?;
            let bands = if lowest { 1 } else { 3 };
            let here = across.precincts.saturating_mul(down.precincts) * bands;
            precincts = precincts.saturating_add(here);
            let blocks_here = across.blocks.saturating_mul(down.blocks) * bands;
            blocks = blocks.saturating_add(blocks_here);
            let side = across.together.max(down.together).next_power_of_two();
            let trees = side.saturating_mul(side).saturating_mul(LEAF_STEPS);
            steps = steps
                .saturating_add(here.saturating_mul(trees.saturating_add(PART_STEPS)))
                .saturating_add(blocks_here.saturating_mul(PART_STEPS));
        }
        rest.done()?;
        self.precincts = self.precincts.max(precincts);
        self.blocks = self.blocks.max(blocks);
        self.steps = self.steps.max(steps);
        // A segment for each pass, or for each where bits are not coded (table A.19, section D.6).
        let segments = if style & 0x05 == 0 { 1 } else { 94 };
        self.segments = self.segments.max(segments);
        // Ones at the end of bits that are not coded may be left out (section D.6).
        self.complete &= style & 0x01 == 0;
        Ok(())
    }

    /// QCD and QCC (sections A.6.4 and A.6.5).
    fn quantization(&mut self, mut rest: Cursor<'_>) -> Result<(), &'static str> {
        self.quantized = true;
        let style = rest.byte()? & 0x1f;
        let bytes = rest.0.len();
        let right = match style {
            0 => (1..=BANDS_MAX).contains(&bytes),
            1 => bytes == 2,
            2 => bytes.is_multiple_of(2) && (2..=2 * BANDS_MAX).contains(&bytes),
            _ => false,
        };
        if right { Ok(()) } else { Err(WRONG) }
    }

    /// What must be said before the first tile-part was said.
    const fn styled(&self) -> Result<(), &'static str> {
        if self.turned.is_some() && self.quantized {
            Ok(())
        } else {
            Err(WRONG)
        }
    }

    /// The next tile-part (section A.4.2); `false`: it was the last.
    fn tile_part(&mut self, rest: &mut Cursor<'_>) -> Result<bool, &'static str> {
        match rest.array()? {
            EOC => return Ok(false),
            [0xff, 0x90] => (),
            _ => return Err(WRONG),
        }
        let mut fields = rest.segment()?;
        let (tile, length) = (fields.short()?, fields.long()?);
        fields.take(2)?;
        fields.done()?;
        *self.seen.get_mut(usize::from(tile)).ok_or(WRONG)? = true;
        self.tile_parts += 1;
        let length = usize::try_from(length).map_err(|_| CUT)?;
        // SOT itself is 12 bytes of it. One that does not say how long it is goes on to the end.
        let mut within = match length {
            0 => Cursor(std::mem::take(&mut rest.0)),
            length => Cursor(rest.take(length.checked_sub(12).ok_or(WRONG)?)?),
        };
        while within.peek() != Some([0xff, 0x93]) {
            self.header(&mut within, Place::TilePart)?;
        }
        if length > 0 {
            return Ok(true);
        }
        // A byte or two may follow, so that its length is even.
        let ended = within.0.windows(2).rev().take(3).any(|two| two == EOC);
        self.complete = false;
        if ended { Ok(false) } else { Err(CUT) }
    }

    /// Steps for what the stream is divided into: each tile is divided anew.
    fn parts_steps(&self) -> u64 {
        self.steps
            .saturating_mul(self.size.components)
            .saturating_mul(self.size.tiles as u64)
    }

    /// Bytes of memory for what the stream is divided into.
    fn parts_bytes(&self, bytes: usize) -> u64 {
        // Each segment takes three bits of a header at least (section B.10.7).
        let told = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(3);
        let segments = self.segments.max(self.layers);
        let segments = self
            .blocks
            .saturating_mul(segments)
            .saturating_mul(self.size.components);
        let block = LAYER_BYTES
            .saturating_mul(self.layers)
            .saturating_add(BLOCK_BYTES);
        let blocks = self.blocks.saturating_mul(block);
        let precincts = self.precincts.saturating_mul(PRECINCT_BYTES);
        let components = self.size.components;
        let tile = components * TILE_COMPONENT_BYTES + TILE_BYTES;
        [
            blocks.saturating_add(precincts).saturating_mul(components),
            segments.min(told).saturating_mul(SEGMENT_BYTES),
            tile.saturating_mul(self.size.tiles as u64),
            self.tile_parts.saturating_mul(TILE_PART_BYTES),
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// How a resolution level is divided in one direction, at most.
struct Divided {
    precincts: u64,
    /// Code-blocks of one of its sub-bands.
    blocks: u64,
    /// Those of them that are in one precinct.
    together: u64,
}

/// Precincts of a resolution level and code-blocks of one of its sub-bands (sections B.5 to B.7). A tile may begin
/// anywhere.
fn divided(
    tile: u64,
    (level, lowest): (u8, bool),
    (precinct, block): (u8, u8),
) -> Result<Divided, &'static str> {
    let resolution = (tile >> level) + 2;
    let (band, of_band) = match lowest {
        true => (resolution, precinct),
        false => (
            (tile >> (level + 1)) + 2,
            precinct.checked_sub(1).ok_or(WRONG)?,
        ),
    };
    let block = block.min(of_band);
    let blocks = (band >> block) + 2;
    Ok(Divided {
        precincts: (resolution >> precinct) + 2,
        blocks,
        together: blocks.min(1 << (of_band - block)),
    })
}
