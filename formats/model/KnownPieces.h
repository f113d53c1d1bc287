//===- KnownPieces.h - pieces whose text shows their type -------*- C++ -*-===//
//
// Files in circulation give some pieces a wrong type, or give no types at all,
// although the text of the pieces leaves no doubt: <0x0A> is a byte and
// <|im_end|> ends a turn. These functions correct the types and leave a note
// for each correction.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_KNOWNPIECES_H
#define AIRPACK_FORMATS_MODEL_KNOWNPIECES_H

#include "formats/model/TokenizerData.h"

#include <optional>
#include <string_view>

namespace air {

/// "<0x0A>" -> 10; std::nullopt for every other text.
std::optional<uint8_t> byteOfPiece(std::string_view piece);

/// Pieces of an SPM vocabulary that are named like bytes but have the type of
/// text become byte tokens, unless their byte already has one. Adds one note
/// for all of them.
void markBytePieces(TokenizerData &data);

/// Pieces that are known to end a turn, a message or a text become control
/// tokens and end generation, whatever their type is. Adds a note for each
/// whose type changes. Pieces that a merge of a BPE vocabulary produces are
/// text and stay text. The ids are added to `data.endOfGeneration`, which is
/// sorted afterwards and has no duplicates.
void markEndPieces(TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_KNOWNPIECES_H
