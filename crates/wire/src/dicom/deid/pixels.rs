//! Whether somebody's name may stand in the picture itself. Nobody looks into pixels here.

use dicom_dictionary_std::tags;

use crate::dicom::DataSet;

/// Storage classes whose pictures often say who they are of: secondary captures, ultrasound, photographs
/// and endoscopy, waveforms (PS3.4 table B.5-1).
const CLASSES: [&str; 5] = [
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.6",
    "1.2.840.10008.5.1.4.1.1.3",
    "1.2.840.10008.5.1.4.1.1.77.1",
    "1.2.840.10008.5.1.4.1.1.9",
];
/// Modalities of which the same is true (PS3.3 section C.7.3.1.1.1).
const MODALITIES: [&str; 15] = [
    "US", "IVUS", "BDUS", "OT", "SC", "ES", "XC", "GM", "SM", "DOC", "ECG", "HD", "OP", "XA", "RF",
];
/// Body parts of which a face can be made again (PS3.16 annex L).
const FACES: [&str; 7] = [
    "HEAD", "BRAIN", "SKULL", "FACE", "ORBIT", "SINUS", "HEADNECK",
];
/// Where the samples of an overlay lie (60xx,3000), and at which bit of the pixels if nowhere else
/// (60xx,0102).
const OVERLAY_DATA: u16 = 0x3000;
const OVERLAY_BIT: u16 = 0x0102;

/// Why text may be in the pixels; `None`: nothing speaks for it.
pub(super) fn may_name(set: &DataSet<'_>) -> Option<&'static str> {
    if set.ascii(tags::BURNED_IN_ANNOTATION) == "YES" {
        return Some("it says that text is burned into its pixels");
    }
    if overlays(set, OVERLAY_BIT).any(|group| !overlays(set, OVERLAY_DATA).any(|one| one == group))
    {
        return Some("an overlay lies in the bits of its pixels");
    }
    if set.ascii(tags::BURNED_IN_ANNOTATION) == "NO" {
        return None;
    }
    let class = set.ascii(tags::SOP_CLASS_UID);
    let of = |prefix: &str| {
        let rest = class.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if CLASSES.iter().any(|prefix| of(prefix)) {
        return Some("objects of its class often have names in their pixels");
    }
    if MODALITIES.contains(&set.ascii(tags::MODALITY)) {
        return Some("pictures of its modality often have names in their pixels");
    }
    let captured = set.get(tags::CONVERSION_TYPE).is_some();
    let screen = set.ascii(tags::IMAGE_TYPE).contains("SCREEN");
    (captured || screen).then_some("it was taken from a screen or from film")
}

/// What a person should know of an object that leaves.
pub(super) fn warnings(set: &DataSet<'_>, emptied_content: bool) -> Vec<&'static str> {
    let visible = set.ascii(tags::RECOGNIZABLE_VISUAL_FEATURES) == "YES";
    let part = set.ascii(tags::BODY_PART_EXAMINED).to_ascii_uppercase();
    let face = visible || FACES.contains(&part.as_str());
    let looked = may_name(set).is_some();
    let all = [
        (
            looked,
            "text may be burned into its pixels; it leaves because somebody said they looked",
        ),
        (
            overlays(set, OVERLAY_DATA).next().is_some(),
            "its overlays were taken out; they may have been marks of a reader",
        ),
        (face, "a face can be made again from its pixels"),
        (
            emptied_content,
            "the content of the report was taken out: it has a head and nothing else",
        ),
    ];
    let told = all.into_iter().filter(|(holds, _)| *holds);
    told.map(|(_, words)| words).collect()
}

/// The groups of overlays that have an element.
fn overlays(set: &DataSet<'_>, element: u16) -> impl Iterator<Item = u16> {
    let tags = set.elements().map(|(tag, _)| *tag);
    tags.filter(move |tag| tag.group() & 0xff00 == 0x6000 && tag.element() == element)
        .map(|tag| tag.group())
}
