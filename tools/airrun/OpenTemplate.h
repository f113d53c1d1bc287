//===- OpenTemplate.h - the chat template that is used ----------*- C++ -*-===//
//
// Commands that turn messages into text use the model's own chat template, or
// the file that --chat-template names.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_OPENTEMPLATE_H
#define AIRPACK_TOOLS_AIRRUN_OPENTEMPLATE_H

#include "formats/model/ModelSource.h"
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/answer/AnswerSyntax.h"
#include "tools/airrun/ChatMessages.h"
#include "tools/cli/CommandLine.h"

namespace air {

struct OpenTemplate {
  jinja::Template made;
  rt::AnswerSyntax syntax; ///< what the template implies about answers
  std::string name;        ///< what error messages call the template
};

cli::Option chatTemplateOption();

/// Opens the template. `hasTools` says whether the conversation has tools, for
/// which a model may have a template of its own. Errors: Unsupported if there
/// is no template; those of readTextFile() and of jinja::Template.
Result<OpenTemplate> openTemplate(const cli::Invocation &invocation,
                                  const TokenizerData &vocabulary,
                                  bool hasTools);

/// Finds errors in the file of --chat-template before anything is started,
/// unless that file can be read only once. Errors: as for openTemplate().
Status checkTemplateFile(const cli::Invocation &invocation);
/// Finds errors in the template of a model's file before the model is packed,
/// unless --chat-template names another template. Errors: as for openTemplate()
/// and readGgufTokenizer().
Status checkTemplateOfModel(const cli::Invocation &invocation,
                            const ModelSource &source, bool hasTools);

/// The text of a conversation without tools, up to where the answer begins.
Result<jinja::Rendered> renderMessages(const OpenTemplate &chatTemplate,
                                       const TokenizerData &vocabulary,
                                       const ChatMessages &messages,
                                       const jinja::Date &date);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_OPENTEMPLATE_H
