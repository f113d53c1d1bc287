//===- AnswerParser.cpp - an answer as reasoning, text and calls ----------===//
#include "runtime/text/answer/AnswerParser.h"

#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <utility>

namespace air::rt {
namespace {

using Kind = AnswerEventKind;

// The notation of OpenAI's gpt-oss models
// (https://cookbook.openai.com/articles/openai-harmony).
constexpr std::string_view kMessageMark = "<|message|>";
constexpr std::string_view kChannelMark = "<|channel|>";
constexpr std::string_view kRecipient = "to=";
/// If more bytes than this come without <|message|>, the text is not a header.
/// A header has a role, a channel, a recipient and a type. The parser holds a
/// header back until it is complete. Without this limit, it could hold back all
/// of an answer that only looks like the beginning of a header.
constexpr size_t kLongestHeader = 400;

} // namespace

AnswerParser::AnswerParser(AnswerSyntax chosen, const ToolSchemas &types,
                           const ReasoningMarks *open)
    : syntax(std::move(chosen)), family(*syntax.family), schemas(types) {
  for (const ReasoningMarks &each : syntax.reasoning) {
    if (open != nullptr && each.begin == open->begin) {
      onMark({each.begin, Mark::ReasoningBegin, &each});
    }
  }
}

std::vector<AnswerEvent> AnswerParser::feed(std::string_view text) {
  for (char c : text) {
    step(c);
  }
  return std::exchange(events, {});
}

std::vector<AnswerEvent> AnswerParser::finish() {
  resolve(true);
  if (state == State::Call && reader != nullptr) {
    takeProgress(reader->finish(*this));
  }
  if (state == State::Call || state == State::Section ||
      state == State::Header) {
    giveUp();
  }
  if (state == State::Text && !dropsSpaces) {
    emit(kind, spaces);
  }
  return std::exchange(events, {});
}

void AnswerParser::emit(Kind what, std::string_view text) {
  if (text.empty()) {
    return;
  }
  if (!events.empty() && events.back().kind == what) {
    events.back().text += text;
  } else {
    events.push_back({what, std::string(text), {}, {}});
  }
}

void AnswerParser::beginCall(const std::string &name, const std::string &id) {
  events.push_back({Kind::CallBegin, {}, name, id});
  isReported = true;
}

void AnswerParser::addArguments(std::string_view json) {
  emit(Kind::CallArguments, json);
}

void AnswerParser::endCall(const std::string &id) {
  events.push_back({Kind::CallEnd, {}, {}, id});
  isReported = false;
  raw.clear();
}

void AnswerParser::step(char c) {
  if (state == State::Call) {
    stepCall(c);
  } else if (state == State::Header) {
    stepHeader(c);
  } else {
    held += c;
    resolve(false);
  }
}

void AnswerParser::resolve(bool isEnd) {
  while (!held.empty()) {
    if (marksAreOld) {
      findMarks();
    }
    const ActiveMark *longest = nullptr;
    bool isBeginning = false;
    for (const ActiveMark &mark : marks) {
      if (held.starts_with(mark.text) &&
          (longest == nullptr || mark.text.size() > longest->text.size())) {
        longest = &mark;
      }
      isBeginning = isBeginning || (mark.text.size() > held.size() &&
                                    mark.text.starts_with(held));
    }
    if (isBeginning && !isEnd) {
      return;
    }
    if (longest == nullptr) {
      const char c = held.front();
      held.erase(0, 1);
      onText(c);
    } else {
      // onMark() and step() may change `marks`. Therefore the delimiter is
      // copied, and the bytes after it are handled again, one by one.
      const ActiveMark mark = *longest;
      std::string rest = held.substr(mark.text.size());
      held.clear();
      onMark(mark);
      for (char c : rest) {
        step(c);
      }
      continue;
    }
    if (state == State::Call || state == State::Header) {
      for (char c : std::exchange(held, {})) {
        step(c);
      }
    }
  }
}

void AnswerParser::findMarks() {
  marksAreOld = false;
  marks.clear();
  const auto add = [&](std::string_view text, Mark mark,
                       const ReasoningMarks *marked = nullptr) {
    if (!text.empty()) {
      marks.push_back({text, mark, marked});
    }
  };
  const bool isReasoning = state == State::Text && kind == Kind::Reasoning;
  if (isReasoning && span != nullptr) {
    add(span->end, Mark::ReasoningEnd, span);
  }
  if (syntax.hasTools && (!isReasoning || family.callsEndReasoning)) {
    add(family.callBegin, Mark::CallBegin);
    add(family.sectionBegin, Mark::SectionBegin);
  }
  if (family.hasChannels && state != State::Section) {
    add("<|start|>", Mark::HeaderBegin);
    add(kChannelMark, Mark::HeaderBegin);
    for (const char *end : {"<|end|>", "<|return|>", "<|call|>"}) {
      add(end, Mark::MessageEnd);
    }
    if (isAtStart && !hasReasoned && !isReasoning) {
      add(kRecipient, Mark::HeaderBegin);
    }
  }
  if (isReasoning) {
    return;
  }
  if (state == State::AfterCall && hasFence) {
    add("```", Mark::CallOrSectionEnd);
  }
  add(family.callEnd, Mark::CallOrSectionEnd);
  add(family.sectionEnd, Mark::CallOrSectionEnd);
  if (state == State::Section) {
    return;
  }
  for (std::string_view text : family.dropped) {
    add(text, Mark::Dropped);
  }
  const bool mayReason = isAtStart && !hasReasoned && state == State::Text;
  for (const ReasoningMarks &each : syntax.reasoning) {
    if (mayReason || each.isAnywhere) {
      add(each.begin, Mark::ReasoningBegin, &each);
    }
    // The prompt may have begun a span of reasoning that openReasoning() did
    // not recognise. The answer then contains the delimiter that ends the span,
    // but not the one that begins it.
    if (mayReason) {
      add(each.end, Mark::ReasoningEnd, &each);
    }
  }
}

void AnswerParser::onMark(const ActiveMark &mark) {
  marksAreOld = true;
  switch (mark.kind) {
  case Mark::ReasoningBegin:
    state = State::Text;
    kind = Kind::Reasoning;
    span = mark.span;
    hasReasoned = true;
    spaces.clear();
    dropsSpaces = true;
    break;
  case Mark::ReasoningEnd:
  case Mark::MessageEnd:
    state = State::Text;
    isAtStart = isAtStart || kind == Kind::Reasoning;
    kind = Kind::Answer;
    span = nullptr;
    hasReasoned = true;
    spaces.clear();
    dropsSpaces = true;
    break;
  case Mark::Dropped:
    break;
  case Mark::SectionBegin:
    state = State::Section;
    raw += std::exchange(spaces, {});
    raw += mark.text;
    break;
  case Mark::CallBegin:
    raw += std::exchange(spaces, {});
    raw += mark.text;
    state = State::Call;
    isBare = false;
    break;
  case Mark::CallOrSectionEnd:
    if (state == State::Section) {
      raw += mark.text;
      giveUp();
    } else if (state == State::Text) {
      // If no call is open, a delimiter that ends a call is ordinary text.
      for (char c : mark.text) {
        onText(c);
      }
    }
    break;
  case Mark::HeaderBegin:
    state = State::Header;
    raw = std::exchange(spaces, {});
    raw += mark.text;
    header = mark.text;
    break;
  }
}

bool AnswerParser::mayBeginBareCall(char c) const {
  if (state == State::AfterCall) {
    // A JSON object that follows a call is another call.
    return c == '{' && (isBare || family.style == CallStyle::Json);
  }
  return c == '{' && syntax.hasTools && family.hasBareCalls && isAtStart &&
         kind == Kind::Answer && !schemas.isEmpty();
}

void AnswerParser::onText(char c) {
  if (isSpace(c)) {
    (state == State::Section ? raw : spaces) += c;
    return;
  }
  marksAreOld = marksAreOld || isAtStart || state != State::Text;
  if (state == State::Section) {
    raw += c;
    giveUp();
    return;
  }
  if (mayBeginBareCall(c)) {
    isBare = isBare || state == State::Text;
    state = State::Call;
    raw = std::exchange(spaces, {});
    stepCall(c);
    return;
  }
  if (state == State::AfterCall) {
    spaces.clear();
    if (isBare && c == ';') {
      return;
    }
    state = State::Text;
    kind = Kind::Answer;
    dropsSpaces = true;
  }
  if (!dropsSpaces) {
    emit(kind, spaces);
  }
  spaces.clear();
  dropsSpaces = false;
  emit(kind, {&c, 1});
  const bool isReasoning = kind == Kind::Reasoning;
  wrote[isReasoning ? 0 : 1] = true;
  isAtStart = isAtStart && isReasoning;
}

void AnswerParser::giveUp() {
  if (std::exchange(isReported, false)) {
    events.push_back({Kind::CallBroken, {}, {}, {}});
  }
  emit(kind, raw);
  raw.clear();
  reader.reset();
  state = State::Text;
  spaces.clear();
  const bool isReasoning = kind == Kind::Reasoning;
  wrote[isReasoning ? 0 : 1] = true;
  isAtStart = isAtStart && isReasoning;
  dropsSpaces = false;
  marksAreOld = true;
}

std::unique_ptr<CallReader> AnswerParser::readerFor(char first) const {
  const bool isJson = first == '{' || first == '[';
  switch (family.style) {
  case CallStyle::Json:
  case CallStyle::KeyedJson:
    // Llama 3 may also write name.call(a=1) after the delimiter that begins a
    // call.
    if (!isJson && family.hasBareCalls && !isBare && family.callEnd.empty()) {
      return makeWholeReader(family);
    }
    return makeJsonReader(family.style == CallStyle::KeyedJson,
                          isBare ? &schemas : nullptr);
  case CallStyle::Header:
    // Older models of Mistral write a list of JSON objects without a header.
    return isJson ? makeJsonReader(false, nullptr)
                  : makeHeaderReader(family.readHeader);
  case CallStyle::Tagged:
    return makeTaggedReader(family, schemas);
  case CallStyle::Python:
  case CallStyle::Braces:
    break;
  }
  return makeWholeReader(family);
}

void AnswerParser::stepCall(char c) {
  raw += c;
  if (reader == nullptr) {
    if (isSpace(c)) {
      return;
    }
    reader = readerFor(c);
  }
  takeProgress(reader->push(c, *this));
}

void AnswerParser::takeProgress(CallProgress progress) {
  if (progress == CallProgress::Bad) {
    giveUp();
  } else if (progress == CallProgress::Done) {
    hasFence = reader->hasCodeFence();
    reader.reset();
    raw.clear();
    spaces.clear();
    state = State::AfterCall;
    kind = Kind::Answer;
    span = nullptr;
    hasReasoned = true;
    marksAreOld = true;
  }
}

void AnswerParser::stepHeader(char c) {
  raw += c;
  header += c;
  if (header.ends_with(kMessageMark)) {
    header.erase(header.size() - kMessageMark.size());
    endHeader();
  } else if (header.size() > kLongestHeader) {
    giveUp();
  }
}

void AnswerParser::endHeader() {
  std::string recipient;
  if (const size_t to = header.find(kRecipient); to != std::string::npos) {
    const size_t begin = to + kRecipient.size();
    recipient =
        header.substr(begin, header.find_first_of(" <\n", begin) - begin);
  }
  marksAreOld = true;
  if (!recipient.empty() && recipient != "assistant" && recipient != "user") {
    if (!syntax.hasTools) {
      giveUp();
      return;
    }
    constexpr std::string_view kFunctions = "functions.";
    if (recipient.starts_with(kFunctions)) {
      recipient.erase(0, kFunctions.size());
    }
    state = State::Call;
    reader = makeArgumentsReader(recipient);
    return;
  }
  const size_t last = header.rfind(kChannelMark);
  const bool isAnalysis =
      last != std::string::npos &&
      header.compare(last + kChannelMark.size(), 8, "analysis") == 0;
  raw.clear();
  state = State::Text;
  kind = isAnalysis ? Kind::Reasoning : Kind::Answer;
  span = nullptr;
  hasReasoned = true;
  // A second message of the same kind begins on a new line.
  const bool isNext = wrote[isAnalysis ? 0 : 1];
  spaces = isNext ? "\n" : "";
  dropsSpaces = !isNext;
}

} // namespace air::rt
