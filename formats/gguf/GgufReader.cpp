//===- GgufReader.cpp - GGUF files -> ModelSource -------------------------===//
#include "formats/gguf/GgufReader.h"

#include "formats/gguf/GgufParser.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <cstdio>

namespace air {

namespace {

/// The split.* keys of one file. A file without them is part 0 of 1.
struct SplitFacts {
  uint64_t part = 0;
  uint64_t parts = 1;
  std::optional<uint64_t> tensors; ///< number of tensors in all parts together
};

Result<std::optional<uint64_t>>
unsignedKey(const std::map<std::string, MetadataValue> &metadata,
            const std::string &key) {
  auto it = metadata.find(key);
  if (it == metadata.end()) {
    return std::optional<uint64_t>();
  }
  if (const auto *value = std::get_if<uint64_t>(&it->second)) {
    return std::optional(*value);
  }
  if (const auto *value = std::get_if<int64_t>(&it->second);
      value != nullptr && *value >= 0) {
    return std::optional(static_cast<uint64_t>(*value));
  }
  return corruptError("metadata '" + key + "' is not an unsigned integer");
}

Result<SplitFacts> splitFacts(const gguf::ParsedFile &parsed) {
  SplitFacts facts;
  AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> parts,
                       unsignedKey(parsed.metadata, "split.count"));
  AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> part,
                       unsignedKey(parsed.metadata, "split.no"));
  AIR_ASSIGN_OR_RETURN(facts.tensors,
                       unsignedKey(parsed.metadata, "split.tensors.count"));
  if (parts && *parts > 1) {
    if (!part) {
      return corruptError(
          "metadata has split.count " + std::to_string(*parts) +
          " but no split.no, which must state which part this file is");
    }
    if (*part >= *parts) {
      return corruptError("metadata has split.no " + std::to_string(*part) +
                          ", but split.count " + std::to_string(*parts) +
                          "; split.no must be 0 to " +
                          std::to_string(*parts - 1));
    }
    facts.part = *part;
    facts.parts = *parts;
  }
  return facts;
}

/// Returns the end of the file name of part `part`, counted from 0:
/// "-00002-of-00003.gguf" for part 1 of 3.
std::string splitSuffix(uint64_t part, uint64_t parts) {
  char text[64];
  std::snprintf(text, sizeof(text), "-%05llu-of-%05llu.gguf",
                static_cast<unsigned long long>(part + 1),
                static_cast<unsigned long long>(parts));
  return text;
}

/// Moves the tensors of `parsed`, which is file `index` of the model, into
/// `model`.
Status addTensors(ModelSource &model, gguf::ParsedFile &parsed,
                  uint32_t index) {
  for (auto &[name, tensor] : parsed.tensors) {
    tensor.file = index;
    if (!model.tensors.try_emplace(name, std::move(tensor)).second) {
      return corruptError("tensor " + inQuotes(name) +
                          " is already in an earlier part");
    }
  }
  return Status::ok();
}

ModelSource modelFrom(gguf::ParsedFile &parsed) {
  ModelSource model;
  model.format = "GGUF v" + std::to_string(parsed.version);
  model.metadata = std::move(parsed.metadata);
  return model;
}

/// Opens the file `path`, which must be part `part` (counted from 0) of the
/// split model `whole`, and adds its tensors to `model`, which already contains
/// the earlier parts.
Status addPart(ModelSource &model, const std::string &path, uint64_t part,
               const SplitFacts &whole) {
  Result<MappedFile> file = MappedFile::open(path);
  if (!file) {
    return file.status().withContext("part " + std::to_string(part + 1) +
                                     " of " + std::to_string(whole.parts));
  }
  Result<gguf::ParsedFile> parsed = gguf::parseFile(file->bytes());
  if (!parsed) {
    return parsed.status().withContext("'" + path + "'");
  }
  Result<SplitFacts> facts = splitFacts(*parsed);
  if (!facts) {
    return facts.status().withContext("'" + path + "'");
  }
  if (facts->part != part || facts->parts != whole.parts) {
    return corruptError("'" + path + "': its metadata says part " +
                        std::to_string(facts->part + 1) + " of " +
                        std::to_string(facts->parts) +
                        ", but a file of this name must be part " +
                        std::to_string(part + 1) + " of " +
                        std::to_string(whole.parts));
  }
  Status added = addTensors(model, *parsed, static_cast<uint32_t>(part));
  if (!added.isOk()) {
    return added.withContext("'" + path + "'");
  }
  model.files.push_back(*std::move(file));
  return Status::ok();
}

} // namespace

Result<ModelSource> parseGguf(std::span<const uint8_t> bytes,
                              const std::string &name) {
  Result<gguf::ParsedFile> parsed = gguf::parseFile(bytes);
  if (!parsed) {
    return parsed.status().withContext("'" + name + "'");
  }
  ModelSource model = modelFrom(*parsed);
  model.tensors = std::move(parsed->tensors);
  return model;
}

Result<ModelSource> readGguf(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile first, MappedFile::open(path));
  Result<gguf::ParsedFile> parsed = gguf::parseFile(first.bytes());
  if (!parsed) {
    return parsed.status().withContext("'" + path + "'");
  }
  Result<SplitFacts> facts = splitFacts(*parsed);
  if (!facts) {
    return facts.status().withContext("'" + path + "'");
  }
  std::string stem;
  if (facts->parts > 1) {
    std::string suffix = splitSuffix(facts->part, facts->parts);
    if (!path.ends_with(suffix)) {
      return corruptError("'" + path + "': it is part " +
                          std::to_string(facts->part + 1) + " of " +
                          std::to_string(facts->parts) +
                          ", so its name must end in '" + suffix +
                          "' for the other parts to be found; rename it");
    }
    stem = path.substr(0, path.size() - suffix.size());
    if (facts->part != 0) {
      return usageError(
          "'" + path + "': it is part " + std::to_string(facts->part + 1) +
          " of " + std::to_string(facts->parts) + "; give the first part, '" +
          stem + splitSuffix(0, facts->parts) + "'");
    }
  }

  ModelSource model = modelFrom(*parsed);
  AIR_RETURN_IF_ERROR(addTensors(model, *parsed, 0));
  model.files.push_back(std::move(first));
  for (uint64_t part = 1; part < facts->parts; ++part) {
    AIR_RETURN_IF_ERROR(
        addPart(model, stem + splitSuffix(part, facts->parts), part, *facts));
  }
  if (facts->parts > 1 && facts->tensors &&
      *facts->tensors != model.tensors.size()) {
    return corruptError("'" + path + "': split.tensors.count is " +
                        std::to_string(*facts->tensors) + ", but the " +
                        std::to_string(facts->parts) + " parts hold " +
                        countOf(model.tensors.size(), "tensor") +
                        "; download all parts again");
  }
  return model;
}

} // namespace air
