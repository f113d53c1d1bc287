//===- CallReader.h - reads a tool call byte by byte ------------*- C++ -*-===//
//
// A reader receives the text after the delimiter that begins a call. JSON
// arguments that follow the name are passed on as they arrive, and so is each
// argument between delimiters of its own. In other notations, and if JSON
// arguments precede the name, a call is reported when it is complete.
//
// Ownership: a reader refers to the tables and schemas that it was made with.
// Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_CALLREADER_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_CALLREADER_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/answer/ToolSchemas.h"

#include <memory>
#include <string>
#include <string_view>

namespace air::rt {

/// Whether a text can be the name of a tool.
bool isCallName(std::string_view text);

class CallSink {
public:
  virtual ~CallSink() = default;
  virtual void beginCall(const std::string &name, const std::string &id) = 0;
  /// Receives the next part of the arguments. All parts together are one JSON
  /// object.
  virtual void addArguments(std::string_view json) = 0;
  /// `id` is the id of the call, even if it came after the arguments.
  virtual void endCall(const std::string &id) = 0;
};

enum class CallProgress : uint8_t {
  More, ///< the reader needs the next byte
  Done, ///< all calls that the delimiter began are complete
  Bad,  ///< what follows the delimiter is not a call
};

class CallReader {
public:
  virtual ~CallReader() = default;
  virtual CallProgress push(char c, CallSink &sink) = 0;
  /// Ends the input. Returns Done or Bad.
  virtual CallProgress finish(CallSink &sink) = 0;
  /// Whether the call contains the beginning of a code fence, which may end
  /// after the call.
  virtual bool hasCodeFence() const { return false; }
};

/// Reads a JSON object or an array of objects, in the notation of
/// CallStyle::KeyedJson if `isKeyed` is true, and otherwise of CallStyle::Json.
/// If `tools` is not null, no delimiter began the call, so the call must name
/// one of these tools and have only the keys of a call.
std::unique_ptr<CallReader> makeJsonReader(bool isKeyed,
                                           const ToolSchemas *tools);
std::unique_ptr<CallReader> makeHeaderReader(ReadHeader readHeader);
/// Reads the arguments of a call whose name is known.
std::unique_ptr<CallReader> makeArgumentsReader(std::string name);
std::unique_ptr<CallReader> makeTaggedReader(const AnswerFamily &family,
                                             const ToolSchemas &schemas);
/// Reads calls in the notation of CallStyle::Python or CallStyle::Braces. They
/// end with the family's delimiter or, if it has none, with the answer.
std::unique_ptr<CallReader> makeWholeReader(const AnswerFamily &family);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_CALLREADER_H
