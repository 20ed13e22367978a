//! **In**: plaintexts, keys, leaf hashes, notes: values.
//! **Out**: entries, ciphertexts, roots, tiles, signed checkpoints, proofs: values.
//! **Never**: I/O, async, a clock, randomness (nonces, salts and keys are parameters).
//! **Start here**: [`Entry`], then [`Edge`], then [`Proof`].

mod checkpoint;
mod cosign;
mod disclosure;
mod entry;
mod envelope;
mod head;
mod keys;
mod object;
mod proof;
mod shares;
mod succession;
mod tile;
mod tree;
mod witness;

pub use checkpoint::{LogKey, LogVerifier, NoteFault};
pub use cosign::{WitnessKey, WitnessVerifier};
pub use disclosure::{Disclosed, Disclosure, DisclosureFault};
pub use entry::{ENTRY_BYTES, Entry};
pub use envelope::{
    Compressor, Decompressor, Prepared, SALT_BYTES, commitment, open, prepare, seal,
};
pub use head::PrintedHead;
pub use keys::{KEY_BYTES, Key, KeyFault, derive, unwrap, wrap};
pub use object::{OBJECT_BOUND_BYTES, object_stream, open_object, seal_object};
pub use proof::{Proof, ProofFault, climb, consistent};
pub use shares::{Scheme, Share, ShareFault, combine, split};
pub use tile::{
    TILE_WIDTH, bundle, bundle_path, pack, pack_path, read_bundle, read_pack, read_tile, tile_path,
};
pub use tree::{Edge, Frontier, Hash, leaf_hash, node_hash, root_of, sha256, subtree};
pub use witness::{AddCheckpoint, Refusal};
