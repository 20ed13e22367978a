//! JSON Patch (RFC 6902), by the crate `json-patch`. The operations are read here, since serde's
//! tagged enums lose the digits of numbers that are kept as text.

use std::io;

use json_patch::jsonptr::PointerBuf;
use json_patch::{
    AddOperation, CopyOperation, MoveOperation, PatchOperation, RemoveOperation, ReplaceOperation,
    TestOperation,
};
use serde_json::{Map, Value};

use super::same::same;
use super::{PatchLimits, Unpatched, malformed, nests_within, too_deep, unfit, within};

/// The resource with all operations applied.
pub(super) fn patch(
    resource: &Value,
    operations: &[Value],
    limits: &PatchLimits,
) -> Result<Value, Unpatched> {
    within(operations.len(), limits)?;
    let mut out = resource.clone();
    for (at, operation) in operations.iter().enumerate() {
        let place = format!("[{at}]");
        let operation = read(operation, &place)?;
        let copies = matches!(operation, PatchOperation::Copy(_));
        // INVARIANT: measured before it is put in, so that the resource is never deeper.
        if !lies_within(&out, &operation, limits.depth_max) {
            return Err(too_deep(&place, limits));
        }
        if let PatchOperation::Test(test) = &operation {
            // The crate compares numbers by their text.
            let there = out.pointer(test.path.as_str());
            let there = there.ok_or_else(|| unfit(&place, "there is nothing at the path"))?;
            match same(there, &test.value) {
                true => continue,
                false => return Err(unfit(&place, "value did not match")),
            }
        }
        json_patch::patch(&mut out, std::slice::from_ref(&operation))
            .map_err(|error| unfit(&place, error.kind.to_string()))?;
        // A few copies of the whole into itself would fill any memory.
        if copies && !fits(&out, limits.bytes_max) {
            let words = format!(
                "the resource would have more than {} bytes",
                limits.bytes_max
            );
            return Err(unfit(&place, words));
        }
    }
    Ok(out)
}

/// Whether what an operation puts in ends up at most so deep.
fn lies_within(resource: &Value, operation: &PatchOperation, depth_max: usize) -> bool {
    let source = |from: &PointerBuf| resource.pointer(from.as_str());
    let (path, value) = match operation {
        PatchOperation::Add(add) => (&add.path, Some(&add.value)),
        PatchOperation::Replace(replace) => (&replace.path, Some(&replace.value)),
        PatchOperation::Copy(copy) => (&copy.path, source(&copy.from)),
        PatchOperation::Move(step) => (&step.path, source(&step.from)),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return true,
    };
    let left = depth_max.checked_sub(path.as_str().matches('/').count());
    left.is_some_and(|left| value.is_none_or(|value| nests_within(value, left)))
}

fn read(operation: &Value, place: &str) -> Result<PatchOperation, Unpatched> {
    let map = operation
        .as_object()
        .ok_or_else(|| malformed(place, "an operation is a JSON object"))?;
    let path = || pointer(map, "path", place);
    let from = || pointer(map, "from", place);
    let value = || {
        let there = map.get("value").cloned();
        there.ok_or_else(|| malformed(place, "the operation has no `value`"))
    };
    Ok(match map.get("op").and_then(Value::as_str) {
        Some("add") => PatchOperation::Add(AddOperation {
            path: path()?,
            value: value()?,
        }),
        Some("remove") => PatchOperation::Remove(RemoveOperation { path: path()? }),
        Some("replace") => PatchOperation::Replace(ReplaceOperation {
            path: path()?,
            value: value()?,
        }),
        Some("move") => PatchOperation::Move(MoveOperation {
            from: from()?,
            path: path()?,
        }),
        Some("copy") => PatchOperation::Copy(CopyOperation {
            from: from()?,
            path: path()?,
        }),
        Some("test") => PatchOperation::Test(TestOperation {
            path: path()?,
            value: value()?,
        }),
        _ => {
            let words = "`op` is none of add, remove, replace, move, copy, test";
            return Err(malformed(place, words));
        }
    })
}

fn pointer(map: &Map<String, Value>, name: &str, place: &str) -> Result<PointerBuf, Unpatched> {
    let text = map.get(name).and_then(Value::as_str);
    let text = text.ok_or_else(|| malformed(place, format!("the operation has no `{name}`")))?;
    PointerBuf::parse(text.to_owned())
        .map_err(|_| malformed(place, format!("`{text}` is no JSON Pointer (RFC 6901)")))
}

/// Whether the value written as JSON has at most so many bytes; counted, not written.
pub(super) fn fits(value: &Value, bytes_max: usize) -> bool {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Counter(bytes_max), value).is_ok()
}
