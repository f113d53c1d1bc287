//===- Chat.cpp - a conversation with a model -----------------------------===//
#include "tools/airrun/Chat.h"

#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/answer/AnswerTriggers.h"
#include "runtime/text/answer/TurnEnd.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/LoadingBar.h"

#include <utility>

namespace air {
namespace {

double rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

} // namespace

std::string turnText(const Turn &turn) {
  const uint64_t computed = turn.promptTokens - turn.reusedTokens;
  const uint64_t passes = turn.tokens > 1 ? turn.tokens - 1 : 0;
  return format(
      "prompt: %s, %llu of them new, in %.3f s, %.1f tok/s; "
      "answer: %s in %.3f s, %.1f tok/s; context: %llu of %s",
      countOf(turn.promptTokens, "token").c_str(),
      static_cast<unsigned long long>(computed), turn.promptSeconds,
      rate(computed, turn.promptSeconds), countOf(turn.tokens, "token").c_str(),
      turn.decodeSeconds, rate(passes, turn.decodeSeconds),
      static_cast<unsigned long long>(turn.promptTokens + turn.tokens),
      countOf(turn.context, "token").c_str());
}

Status checkNoTools(const ChatTools &tools) {
  return tools.schemas.isEmpty()
             ? Status::ok()
             : usageError("answers with tools have a grammar of their own; "
                          "give either --tools or a grammar");
}

Chat::Chat(rt::Session &owner, TokenizerData data, jinja::Template parsed,
           rt::Tokenizer made, rt::KeptSequence sequence)
    : session(&owner), vocabulary(std::move(data)),
      chatTemplate(std::move(parsed)), encoder(std::move(made)),
      kept(std::move(sequence)) {}

Result<Chat> Chat::create(rt::Session &session, TokenizerData vocabulary,
                          jinja::Template chatTemplate, rt::AnswerSyntax syntax,
                          const std::string &name, const jinja::Date &date,
                          ChatTools tools) {
  AIR_ASSIGN_OR_RETURN(rt::Tokenizer tokenizer,
                       rt::Tokenizer::create(vocabulary));
  AIR_ASSIGN_OR_RETURN(rt::KeptSequence kept,
                       rt::KeptSequence::create(session));
  Chat chat(session, std::move(vocabulary), std::move(chatTemplate),
            std::move(tokenizer), std::move(kept));
  chat.name = name;
  chat.date = date;
  chat.tools = std::move(tools);
  chat.syntax = std::move(syntax);
  chat.syntax.hasTools = chat.tools.list.has_value();
  chat.markTokens = rt::markTokens(chat.syntax, *chat.encoder);
  if (const std::optional<int32_t> end =
          rt::turnEnd(chat.chatTemplate, chat.vocabulary, *chat.encoder,
                      chat.syntax, date)) {
    chat.endTokens.push_back(*end);
  }
  AIR_RETURN_IF_ERROR(chat.prepareTools());
  return chat;
}

std::vector<std::pair<int32_t, std::string>> Chat::controlTexts() const {
  std::vector<std::pair<int32_t, std::string>> controls;
  for (int32_t id : markTokens) {
    controls.emplace_back(id, encoder->piece(id, true));
  }
  return controls;
}

Result<rt::CallGrammar> Chat::grammarOf(const rt::ReasoningMarks *open) const {
  return rt::callGrammar(syntax, tools.schemas, tools.choice, controlTexts(),
                         open);
}

void Chat::prepareTrie() {
  if (trie == nullptr) {
    trie = std::make_unique<rt::TokenTrie>(
        encoder->vocabSize(),
        [this](int32_t id) { return encoder->piece(id); });
  }
}

Status Chat::prepareTools() {
  if (tools.schemas.isEmpty()) {
    return Status::ok();
  }
  // Mistakes in the tools are found before the first turn.
  AIR_ASSIGN_OR_RETURN(const rt::CallGrammar grammar, grammarOf(nullptr));
  toolNotes = grammar.notes;
  prepareTrie();
  return Status::ok();
}

Status Chat::setGrammar(std::optional<ChosenGrammar> grammar) {
  if (!grammar) {
    chosen.reset();
    return Status::ok();
  }
  AIR_RETURN_IF_ERROR(checkNoTools(tools));
  std::vector<int32_t> ends = endsOfAnswer(*encoder, endTokens);
  AIR_RETURN_IF_ERROR(checkEnds(ends));
  prepareTrie();
  AIR_RETURN_IF_ERROR(
      rt::LazyGrammar(
          rt::GrammarMatcher(grammar->grammar, *trie, std::move(ends)), *trie,
          grammar->triggers)
          .checkTriggers());
  chosen = std::move(grammar);
  return Status::ok();
}

Result<std::optional<rt::LazyGrammar>>
Chat::filterOf(const rt::ReasoningMarks *open) const {
  if (tools.schemas.isEmpty() && !chosen) {
    return std::optional<rt::LazyGrammar>();
  }
  std::vector<int32_t> ends = endsOfAnswer(*encoder, endTokens);
  std::shared_ptr<const rt::Grammar> grammar;
  rt::GrammarTriggers triggers;
  if (chosen) {
    grammar = chosen->grammar;
    triggers = rt::answerTriggers(syntax, chosen->triggers, open);
    triggers.controls = controlTexts();
  } else {
    AIR_ASSIGN_OR_RETURN(rt::CallGrammar made, grammarOf(open));
    grammar = std::move(made.grammar);
    triggers = std::move(made.triggers);
  }
  return std::optional<rt::LazyGrammar>(
      std::in_place,
      rt::GrammarMatcher(std::move(grammar), *trie, std::move(ends)), *trie,
      std::move(triggers));
}

Result<jinja::Rendered> Chat::render(const ChatMessages &messages) const {
  rt::Conversation conversation;
  AIR_ASSIGN_OR_RETURN(conversation.messages,
                       jinja::fromJson(messages.toJson(), true));
  conversation.tools = tools.list;
  AIR_ASSIGN_OR_RETURN(const jinja::Value variables,
                       rt::templateVariables(vocabulary, conversation));
  Result<jinja::Rendered> rendered = chatTemplate.render(variables, date);
  if (!rendered) {
    return rendered.status().withContext(name);
  }
  return rendered;
}

Result<Turn> Chat::answer(const ChatMessages &messages,
                          rt::GenerateOptions options, bool dims,
                          const AnswerPrinter::Write &write) {
  AIR_ASSIGN_OR_RETURN(const jinja::Rendered rendered, render(messages));
  AIR_ASSIGN_OR_RETURN(
      const std::vector<int32_t> tokens,
      encoder->tryEncodeRendered(rendered.text, rendered.tainted));
  options.shownTokens = markTokens;
  options.endTokens = endTokens;
  const rt::ReasoningMarks *open =
      rt::openReasoning(syntax, rendered.text, rendered.tainted);
  AIR_ASSIGN_OR_RETURN(std::optional<rt::LazyGrammar> filter, filterOf(open));
  options.filter = filter ? &*filter : nullptr;
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<rt::Generator> generator,
      rt::Generator::create(*session, &*encoder, std::move(options), &kept));
  Turn turn;
  turn.promptTokens = tokens.size();
  turn.context = session->context();
  const double begin = monotonicSeconds();
  {
    std::optional<LoadingBar> bar;
    if (!isLoaded) {
      bar.emplace(*session);
    }
    AIR_RETURN_IF_ERROR(generator->prompt(tokens));
    const rt::LoadProgress progress = session->loading();
    isLoaded = progress.done >= progress.total;
  }
  const double first = monotonicSeconds();
  turn.promptSeconds = first - begin;
  turn.reusedTokens = generator->reusedTokens();
  rt::AnswerParser parser(syntax, tools.schemas, open);
  AnswerPrinter printer(write, dims);
  const auto show = [&](const std::vector<rt::AnswerEvent> &events) {
    turn.answer.add(events);
    return printer.add(events);
  };
  while (true) {
    AIR_ASSIGN_OR_RETURN(const std::optional<rt::GeneratedToken> token,
                         generator->next());
    if (!token) {
      break;
    }
    ++turn.tokens;
    turn.decodeSeconds = monotonicSeconds() - first;
    AIR_RETURN_IF_ERROR(show(parser.feed(token->text)));
  }
  AIR_RETURN_IF_ERROR(show(parser.feed(generator->finish())));
  AIR_RETURN_IF_ERROR(show(parser.finish()));
  AIR_RETURN_IF_ERROR(printer.finish());
  turn.reason = generator->reason();
  return turn;
}

} // namespace air
