//===- TokenizerFiles.cpp - vocabularies outside of GGUF ------------------===//
#include "formats/tokenizer/TokenizerFiles.h"

#include "formats/model/PreTokenizerNames.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Printable.h"

#include <sys/stat.h>

namespace air {
namespace {

bool isFolder(const std::string &path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool exists(const std::string &path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0;
}

std::string_view textOf(const MappedFile &file) {
  return {reinterpret_cast<const char *>(file.bytes().data()),
          file.bytes().size()};
}

Status refusePre(const std::string &pre, const std::string &path) {
  return pre.empty() ? Status::ok()
                     : usageError("--pre: " + inQuotes(path) +
                                  " itself says how text is split; leave the "
                                  "option out");
}

/// The limit on the size of a vocabulary's file, in bytes. It bounds the memory
/// for parsed JSON, which takes up to some 25 times as much as the text. The
/// tokenizer.json of a vocabulary of 262,144 tokens has 33 MB.
constexpr uint64_t kMostFileBytes = uint64_t{128} << 20;

/// Opens a file of a vocabulary. Fails with DoesNotFit if it is too large.
Result<MappedFile> openFile(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > kMostFileBytes) {
    return doesNotFitError(inQuotes(path) + " has " +
                           std::to_string(file.bytes().size()) +
                           " bytes; a file of a vocabulary may have at most " +
                           std::to_string(kMostFileBytes));
  }
  return file;
}

Result<TokenizerData> readFile(const std::string &path,
                               const std::string &pre) {
  AIR_RETURN_IF_ERROR(refusePre(pre, path));
  AIR_ASSIGN_OR_RETURN(MappedFile file, openFile(path));
  std::string_view text = textOf(file);
  size_t first = text.find_first_not_of(" \t\r\n");
  // A protocol buffer of sentencepiece begins with field 1, byte 0x0a, and
  // never with a brace.
  bool isJson =
      first != std::string_view::npos && text[first] == '{' && text[0] != '\n';
  isJson |= path.ends_with(".json");
  Result<TokenizerData> data =
      isJson ? parseTokenizerJson(text) : parseSentencePieceModel(text);
  if (!data.isOk()) {
    return data.status().withContext(inQuotes(path));
  }
  return data;
}

} // namespace

bool isTokenizerPath(const std::string &path) {
  return isFolder(path) || path.ends_with(".json") || path.ends_with(".model");
}

Result<TokenizerData> readTokenizer(const std::string &path,
                                    const std::string &pre) {
  if (!isFolder(path)) {
    return readFile(path, pre);
  }
  for (const char *name : {"/tokenizer.json", "/tokenizer.model"}) {
    if (exists(path + name)) {
      return readFile(path + name, pre);
    }
  }
  if (!exists(path + "/vocab.json") || !exists(path + "/merges.txt")) {
    return ioError("the folder " + inQuotes(path) +
                   " has neither tokenizer.json, nor tokenizer.model, nor "
                   "vocab.json and merges.txt");
  }
  if (canonicalPreTokenizer(pre).empty()) {
    return usageError(
        "vocab.json and merges.txt do not say how text is split; give the "
        "name of the pre-tokenizer with --pre: " +
        preTokenizerList());
  }
  AIR_ASSIGN_OR_RETURN(MappedFile vocab, openFile(path + "/vocab.json"));
  AIR_ASSIGN_OR_RETURN(MappedFile merges, openFile(path + "/merges.txt"));
  Result<TokenizerData> data =
      parseVocabAndMerges(textOf(vocab), textOf(merges), pre);
  if (!data.isOk()) {
    return data.status().withContext(inQuotes(path));
  }
  return data;
}

} // namespace air
