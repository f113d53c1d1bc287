//===- PlanMutator.h - damages a plan where its schema has fields ---------===//
//
// Random bytes rarely break a plan in an interesting way, because most of them
// hit strings and offsets. A PlanMutator uses the schema's reflection to find
// every number, list and text in the metadata of a valid plan. It replaces a
// number by a boundary value, by another number of the plan or by a random
// number, or changes it a little. It changes the length of a list or of a text,
// or swaps two elements. Sometimes it changes an arbitrary byte. The digests
// are computed again, so they cannot reveal the damage.
//
// The same seed gives the same changes. Thread-safety: one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_PLANMUTATOR_H
#define AIRPACK_TEST_FORMATS_PLAN_PLANMUTATOR_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace air::test {

/// How many numbers and how many lists a PlanMutator has found in a plan.
struct PlanPlaces {
  size_t numbers = 0;
  size_t lists = 0;
};

/// What happened to the plans of one run.
struct MutationCounts {
  uint64_t accepted = 0;
  uint64_t refused = 0;
};

class PlanMutator {
public:
  /// `file` is a valid plan.
  PlanMutator(std::vector<uint8_t> file, uint64_t seed);

  PlanPlaces places() const { return {numbers.size(), lists.size()}; }

  /// Changes a copy of the plan in 1 to 4 places, opens it, and counts in
  /// `counts` whether it is accepted or refused. Returns what is wrong, or an
  /// empty string if nothing is. A refusal must have a message of one line and
  /// the code Corrupt, Unsupported or VerificationFailed. It must be possible
  /// to read an accepted plan to its end and to load its templates; if
  /// rendering them fails, the message must be one line. An accepted plan must
  /// copy weights to a GPU before they are needed, and its tokenizer must not
  /// have more tokens than the model's vocabulary. A crash ends the process.
  std::string tryOne(MutationCounts &counts);

private:
  struct Number {
    size_t at; // offset in `file`
    size_t bytes;
  };
  struct List {
    size_t at; // offset of the list's length; the elements come next
    size_t elementBytes;
    bool isOfOffsets; // whether the elements are offsets
  };
  struct Finder;

  void change();
  void changeNumber();
  void changeList();
  void changeByte();
  uint64_t below(uint64_t bound) { return random() % bound; }

  std::vector<uint8_t> good;
  std::vector<uint8_t> file;
  size_t metadataBegin = 0;
  size_t metadataBytes = 0;
  std::vector<Number> numbers;
  std::vector<List> lists;
  std::mt19937_64 random;
};

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_PLANMUTATOR_H
