//===- KnownPieces.h - pieces whose text shows their type -------*- C++ -*-===//
//
// Files in circulation give some pieces a wrong type, or give no types at all,
// although the text of the pieces leaves no doubt: <0x0A> stands for a byte and
// <|im_end|> ends a turn. markBytePieces() and markEndPieces() correct the
// types and add notes about what they corrected.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_KNOWNPIECES_H
#define AIRPACK_FORMATS_MODEL_KNOWNPIECES_H

#include "formats/model/TokenizerData.h"

#include <optional>
#include <string_view>

namespace air {

/// Returns the byte that a piece like "<0x0A>" stands for; nullopt if the piece
/// does not have this form.
std::optional<uint8_t> byteOfPiece(std::string_view piece);

/// Whether the piece is known to end a turn, a message or a text. In a given
/// vocabulary, markEndPieces() decides whether it ends generation.
bool isKnownEndPiece(std::string_view piece);

/// Makes token `id` a control token, so that words are no longer encoded with
/// it.
void setControl(TokenizerData &data, size_t id);

/// Turns the pieces of an SPM vocabulary that are named like bytes but have the
/// type Normal or Undefined into byte tokens, unless their byte already has a
/// byte token. Adds one note about all of them to data.notes.
void markBytePieces(TokenizerData &data);

/// Turns the pieces for which isKnownEndPiece() is true into control tokens
/// that end generation. There are two exceptions. A piece that has another
/// meaning in this vocabulary does not end generation. A piece that is not a
/// control token stays ordinary text if a merge of a BPE vocabulary produces
/// it. Some special tokens of fill-in-the-middle end generation, too. Where
/// "<|end|>" only ends a message, it becomes a control token, unless it is
/// user-defined, and does not end generation. Adds a note for each piece whose
/// type changes. The ids of all tokens that end generation are added to
/// `data.endOfGeneration`, which is then sorted and has no duplicates.
void markEndPieces(TokenizerData &data);

/// Adds `id` to `data.endOfGeneration`, which stays sorted and without
/// duplicates.
void addEndOfGeneration(TokenizerData &data, int32_t id);

/// Adds a chat template to `data.namedTemplates`. If plans do not allow the
/// name, adds a note instead.
void addNamedTemplate(TokenizerData &data, const std::string &name,
                      std::string source);

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_KNOWNPIECES_H
