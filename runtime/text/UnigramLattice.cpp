//===- UnigramLattice.cpp - the most probable pieces of a text ------------===//
#include "runtime/text/UnigramLattice.h"

#include "formats/support/Utf8.h"

namespace air::rt {

void UnigramLattice::divide(std::string_view run, std::vector<Node> &nodes,
                            PieceSink sink) const {
  nodes.assign(run.size() + 1, Node());
  nodes[0].score = 0;
  for (size_t start = 0; start < run.size();) {
    double before = nodes[start].score;
    size_t character = decodeUtf8(run.substr(start)).length;
    bool isKnown = false;
    auto offer = [&](size_t end, double score, int32_t id) {
      if (score > nodes[end].score) {
        nodes[end] = {score, static_cast<uint32_t>(start), id};
      }
    };
    uint32_t node = ByteTrie::kRoot;
    for (size_t end = start; end < run.size();) {
      node = pieces.child(node, run[end++]);
      if (node == ByteTrie::kNoNode) {
        break;
      }
      if (int32_t id = pieces.pieceAt(node); id != ByteTrie::kNoPiece) {
        offer(end, before + scores[static_cast<size_t>(id)], id);
        isKnown |= end == start + character;
      }
    }
    if (!isKnown) {
      offer(start + character, before + unknownScore, kNoPiece);
    }
    start += character;
  }
  // Nodes link backwards. This makes the links of the best path lead forwards.
  size_t next = run.size();
  for (size_t at = run.size(); at > 0;) {
    size_t start = nodes[at].start;
    nodes[at].start = static_cast<uint32_t>(next);
    next = at;
    at = start;
  }
  for (size_t start = 0, at = next; start < run.size();) {
    sink(run.substr(start, at - start), nodes[at].id);
    start = at;
    at = nodes[at].start;
  }
}

} // namespace air::rt
