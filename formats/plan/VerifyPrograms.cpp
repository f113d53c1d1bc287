//===- VerifyPrograms.cpp - rules of buffers, programs, dispatches --------===//
#include "formats/abi/KernelAbi.h"
#include "formats/plan/Choice.h"
#include "formats/plan/PlanRules.h"
#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <vector>

namespace air::rules {

/// Returns the size in bytes of a device's arena. The device must exist.
static uint64_t arenaOf(const plan::Plan &plan, uint32_t device) {
  return device == 0
             ? plan.arena_bytes()
             : plan.machine()->devices()->Get(device - 1)->arena_bytes();
}

/// Checks that a buffer that is zeroed is on a GPU, is not an output, and
/// shares no bytes with another buffer. The ranges of all buffers have been
/// checked.
static Status verifyZeroed(const plan::Plan &plan, uint32_t index) {
  const plan::Buffer &zeroed = *plan.buffers()->Get(index);
  const std::string where = label("buffer", index, zeroed);
  if (zeroed.device() == 0 || zeroed.is_output()) {
    return broken("plan.buffer.zeroed", where,
                  "is zeroed, but is an output or on the CPU; a zeroed buffer "
                  "must be on a GPU and must not be an output");
  }
  for (uint32_t i = 0; i < plan.buffers()->size(); ++i) {
    const plan::Buffer &other = *plan.buffers()->Get(i);
    if (i != index && other.device() == zeroed.device() &&
        other.offset() < zeroed.offset() + zeroed.bytes() &&
        zeroed.offset() < other.offset() + other.bytes()) {
      return broken("plan.buffer.zeroed", where,
                    "is zeroed, but shares bytes with " +
                        label("buffer", i, other));
    }
  }
  return Status::ok();
}

Status verifyBuffers(const plan::Plan &plan) {
  const uint32_t count = plan.buffers()->size();
  if (count > kMaxBuffers) {
    return broken("plan.buffer.count", "buffers",
                  "there are " + str(count) + "; at most " + str(kMaxBuffers) +
                      " are allowed");
  }
  uint32_t zeroed = 0;
  std::unordered_set<std::string_view> names;
  for (uint32_t i = 0; i < count; ++i) {
    const plan::Buffer &buffer = *plan.buffers()->Get(i);
    const std::string where = label("buffer", i, buffer);
    AIR_RETURN_IF_ERROR(
        checkName("plan.buffer.name", where, textOf(buffer.name())));
    if (!names.insert(textOf(buffer.name())).second) {
      return broken("plan.buffer.name", where,
                    "has the same name as an earlier one");
    }
    if (buffer.offset() % AIR_BINDING_ALIGNMENT != 0) {
      return broken("plan.buffer.alignment", where,
                    "offset " + str(buffer.offset()) +
                        " is not a multiple of " + str(AIR_BINDING_ALIGNMENT));
    }
    AIR_RETURN_IF_ERROR(
        checkDevice("plan.buffer.device", plan, buffer.device(), where));
    AIR_RETURN_IF_ERROR(checkEnum(where, "rows_from",
                                  static_cast<uint8_t>(buffer.rows_from()),
                                  plan::EnumNameRowsFrom(buffer.rows_from())));
    if (buffer.rows_from() == plan::RowsFrom::Tokens &&
        (buffer.device() == 0 || !buffer.is_output())) {
      return broken("plan.buffer.rows", where,
                    "has rows_from Tokens, but is not an output on a GPU; only "
                    "such a buffer may have a row per token");
    }
    // This cannot overflow, because `vocabulary` is below 2^32.
    const auto rowBytes = plan.model()->vocabulary() * sizeof(float);
    if (buffer.rows_from() == plan::RowsFrom::Tokens &&
        checkedMul(rowBytes, plan.max_tokens()) != buffer.bytes()) {
      return broken("plan.buffer.rows", where,
                    "has " + str(buffer.bytes()) +
                        " bytes; it must hold exactly " +
                        countOf(plan.max_tokens(), "row") + " of logits of " +
                        str(rowBytes) + " bytes each");
    }
    const uint64_t arena = arenaOf(plan, buffer.device());
    if (buffer.bytes() == 0 ||
        !rangeFits(buffer.offset(), buffer.bytes(), arena)) {
      return broken("plan.buffer.inside", where,
                    "has " + str(buffer.bytes()) + " bytes at offset " +
                        str(buffer.offset()) +
                        "; it must not be empty and must lie in the arena "
                        "of " +
                        str(arena) + " bytes");
    }
    zeroed += buffer.is_zeroed() ? 1 : 0;
  }
  // A limit is needed because each zeroed buffer is compared with all buffers.
  // The kernels of a GPU share one such buffer for each kind of counter, so a
  // plan needs only a few.
  constexpr uint32_t kMaxZeroed = 16;
  if (zeroed > kMaxZeroed) {
    return broken("plan.buffer.zeroed", "buffers",
                  "there are " + str(zeroed) + " zeroed ones; at most " +
                      str(kMaxZeroed) + " are allowed");
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (plan.buffers()->Get(i)->is_zeroed()) {
      AIR_RETURN_IF_ERROR(verifyZeroed(plan, i));
    }
  }
  return Status::ok();
}

namespace {

/// Checks the rules of each dispatch of a program, one dispatch at a time, and
/// collects what the bindings of that dispatch refer to.
class DispatchRules {
public:
  DispatchRules(const plan::Plan &plan, const plan::Program &program)
      : plan(plan), program(program) {}

  Status verify(const plan::Step &step, const plan::Dispatch &dispatch,
                const std::string &where) {
    AIR_RETURN_IF_ERROR(verifyEntry(dispatch, where));
    device = plan.executables()->Get(dispatch.executable())->device();
    isOfHead = step.kind() == plan::StepKind::Head;
    choosesTokens = isChoice(dispatch);
    AIR_RETURN_IF_ERROR(device == 0 ? verifyGrid(dispatch, where)
                                    : verifyLaunch(dispatch, where));
    const uint32_t bindings = sizeOf(dispatch.bindings());
    if (bindings == 0) {
      return broken("plan.binding.index", where, "has no bindings");
    }
    weightBytes = 0;
    touched.clear();
    for (uint32_t i = 0; i < bindings; ++i) {
      AIR_RETURN_IF_ERROR(verifyBinding(*dispatch.bindings()->Get(i),
                                        where + " binding " + str(i)));
    }
    AIR_RETURN_IF_ERROR(verifyAliases(where));
    AIR_RETURN_IF_ERROR(verifyRowTiles(dispatch, where));
    if (dispatch.weight_bytes() > weightBytes) {
      return broken("plan.dispatch.weight_bytes", where,
                    "reads " + str(dispatch.weight_bytes()) +
                        " bytes of weights, but its tensors have only " +
                        str(weightBytes));
    }
    AIR_RETURN_IF_ERROR(checkEnum(
        where, "arithmetic", static_cast<uint8_t>(dispatch.arithmetic()),
        plan::EnumNameArithmetic(dispatch.arithmetic())));
    // Only dispatches that multiply by a weight matrix may round activations,
    // which every Arithmetic except Float32 does.
    if (dispatch.arithmetic() != plan::Arithmetic::Float32 &&
        weightBytes == 0) {
      return broken(
          "plan.dispatch.arithmetic", where,
          "the arithmetic is " +
              std::string(plan::EnumNameArithmetic(dispatch.arithmetic())) +
              ", but the dispatch binds no tensor; it must be Float32");
    }
    return Status::ok();
  }

private:
  Status verifyEntry(const plan::Dispatch &dispatch, const std::string &where) {
    const uint32_t executables = plan.executables()->size();
    if (dispatch.executable() >= executables) {
      return broken("plan.dispatch.entry", where,
                    "refers to executable " + str(dispatch.executable()) +
                        ", but there are only " + str(executables) +
                        " executables");
    }
    const uint32_t entries =
        plan.executables()->Get(dispatch.executable())->entries()->size();
    if (dispatch.entry() >= entries) {
      return broken("plan.dispatch.entry", where,
                    "refers to entry " + str(dispatch.entry()) +
                        " of executable " + str(dispatch.executable()) +
                        ", which has only " +
                        countOf(entries, "entry", "entries"));
    }
    return Status::ok();
  }

  Status verifyLaunch(const plan::Dispatch &dispatch,
                      const std::string &where) {
    const plan::Launch *launch = dispatch.launch();
    if (launch == nullptr || dispatch.grid() != nullptr ||
        dispatch.scratch_bytes() != 0) {
      return broken("plan.dispatch.launch", where,
                    "runs on a GPU, and must therefore have a launch, no grid "
                    "and no scratch_bytes");
    }
    // CUDA's limits on the sizes of grids and thread blocks.
    constexpr uint32_t kMaxGridY = 65535;
    constexpr uint32_t kMaxThreads = 1024;
    if (launch->grid_x() == 0 || launch->grid_x() > INT32_MAX ||
        launch->grid_y() == 0 || launch->grid_y() > kMaxGridY ||
        launch->threads() == 0 || launch->threads() > kMaxThreads) {
      return broken("plan.dispatch.launch", where,
                    "launches " + str(launch->grid_x()) + " x " +
                        countOf(launch->grid_y(), "block") + " of " +
                        countOf(launch->threads(), "thread") +
                        "; a grid has 1 to " + str(INT32_MAX) + " x 1 to " +
                        str(kMaxGridY) + " blocks, and a block 1 to " +
                        str(kMaxThreads) + " threads");
    }
    return verifyRows(*launch, where);
  }

  /// Checks rows_from of a launch.
  Status verifyRows(const plan::Launch &launch, const std::string &where) {
    AIR_RETURN_IF_ERROR(checkEnum(where, "rows_from",
                                  static_cast<uint8_t>(launch.rows_from()),
                                  plan::EnumNameRowsFrom(launch.rows_from())));
    if (isOfHead &&
        headRows.value_or(launch.rows_from()) != launch.rows_from()) {
      return broken("plan.dispatch.launch", where,
                    std::string("has a launch whose rows_from is ") +
                        plan::EnumNameRowsFrom(launch.rows_from()) +
                        ", but an earlier launch of the head in this program "
                        "has " +
                        plan::EnumNameRowsFrom(*headRows) +
                        "; all of them must compute the same rows");
    }
    if (isOfHead) {
      headRows = launch.rows_from();
    }
    if (launch.rows_from() == plan::RowsFrom::Outputs) {
      return isOfHead && program.tile_tokens() != 0
                 ? Status::ok()
                 : broken("plan.dispatch.launch", where,
                          "has a launch whose rows_from is Outputs; only a "
                          "dispatch of the head may have that, and only in a "
                          "program whose tile_tokens is not 0");
    }
    if (isOfHead && program.max_tokens() > plan.max_outputs()) {
      return broken("plan.dispatch.launch", where,
                    "computes the logits of all " +
                        countOf(program.max_tokens(), "token") +
                        " of the largest batch, but the plan's "
                        "max_outputs allows the logits of only " +
                        countOf(plan.max_outputs(), "token"));
    }
    return Status::ok();
  }

  Status verifyGrid(const plan::Dispatch &dispatch, const std::string &where) {
    if (dispatch.launch() != nullptr) {
      return broken("plan.dispatch.launch", where,
                    "has a launch, but runs on the CPU");
    }
    const plan::Grid *grid = dispatch.grid();
    if (grid == nullptr || grid->base_tiles() == 0) {
      return broken("plan.dispatch.grid", where, "has no tiles");
    }
    AIR_RETURN_IF_ERROR(checkEnum(where, "rows_from",
                                  static_cast<uint8_t>(grid->rows_from()),
                                  plan::EnumNameRowsFrom(grid->rows_from())));
    const uint64_t rows = grid->rows_from() == plan::RowsFrom::Tokens
                              ? program.max_tokens()
                              : plan.max_outputs();
    const uint64_t per = grid->tokens_per_tile();
    // This is rows / per, rounded up, in a form that cannot overflow.
    const uint64_t groups = per == 0 ? 1 : rows / per + (rows % per != 0);
    if (!checkedMul(grid->base_tiles(), groups)) {
      return broken("plan.dispatch.grid", where,
                    "the number of its tiles, " + str(grid->base_tiles()) +
                        " x " + str(groups) + ", is 2^64 or more");
    }
    const bool isInside = grid->tiles() == 0
                              ? grid->first_tile() == 0
                              : grid->rows_per_tile() != 0 &&
                                    rangeFits(grid->first_tile(), grid->tiles(),
                                              grid->base_tiles());
    if (!isInside) {
      return broken("plan.dispatch.part", where,
                    "runs " + countOf(grid->tiles(), "row tile") +
                        " from number " + str(grid->first_tile()) +
                        " on, but the kernel has " +
                        countOf(grid->base_tiles(), "row tile") + " of " +
                        countOf(grid->rows_per_tile(), "row") +
                        "; a part must run only tiles that the kernel has, and "
                        "these must have at least 1 row");
    }
    return Status::ok();
  }

  /// Checks that the row tiles of a dispatch cover exactly the rows of a matrix
  /// that it binds, and that no row block belongs to two tiles.
  static Status verifyTileRows(const plan::Tensor &tensor,
                               const plan::Grid &grid,
                               const std::string &where) {
    const uint64_t perTile = grid.rows_per_tile();
    const auto layout = static_cast<Layout>(tensor.layout());
    if (tensor.rows() / perTile + (tensor.rows() % perTile != 0) !=
            grid.base_tiles() ||
        perTile % rowsPerBlock(layout) != 0) {
      return broken("plan.dispatch.tile_rows", where,
                    "divides the " + countOf(tensor.rows(), "row") +
                        " of tensor '" + shown(textOf(tensor.name())) +
                        "', which are stored " + str(rowsPerBlock(layout)) +
                        " at a time, into " +
                        countOf(grid.base_tiles(), "row tile") + " of " +
                        countOf(perTile, "row") +
                        "; the tiles must cover exactly these rows, and "
                        "each must have a multiple of " +
                        countOf(rowsPerBlock(layout), "row"));
    }
    return Status::ok();
  }

  Status verifyRowTiles(const plan::Dispatch &dispatch,
                        const std::string &where) {
    if (dispatch.launch() != nullptr) {
      return Status::ok();
    }
    const plan::Grid &grid = *dispatch.grid();
    if (grid.rows_per_tile() == 0) {
      return Status::ok();
    }
    for (const plan::Binding *binding : *dispatch.bindings()) {
      if (binding->kind() != plan::BindingKind::Tensor) {
        continue;
      }
      const plan::Tensor &tensor = *plan.tensors()->Get(binding->index());
      // A tensor with a single row counts as a vector, and every tile may read
      // all of it.
      if (tensor.rows() > 1) {
        AIR_RETURN_IF_ERROR(verifyTileRows(tensor, grid, where));
      }
    }
    return Status::ok();
  }

  Status verifyBinding(const plan::Binding &binding, const std::string &where) {
    AIR_RETURN_IF_ERROR(checkEnum(where, "kind",
                                  static_cast<uint8_t>(binding.kind()),
                                  plan::EnumNameBindingKind(binding.kind())));
    const auto access = static_cast<uint8_t>(binding.access());
    if (access == 0 || access > static_cast<uint8_t>(plan::Access::ReadWrite)) {
      return broken("plan.binding.access", where,
                    "access is " + str(access) + "; it must be 1 to 3");
    }
    uint64_t count = 0;
    switch (binding.kind()) {
    case plan::BindingKind::Tensor:
      count = plan.tensors()->size();
      if (binding.access() != plan::Access::Read) {
        return broken("plan.binding.access", where,
                      "writes a tensor; tensors may only be read");
      }
      break;
    case plan::BindingKind::Buffer:
      count = plan.buffers()->size();
      break;
    case plan::BindingKind::Kv:
      count = sizeOf(plan.caches());
      break;
    case plan::BindingKind::Batch:
      count = static_cast<uint64_t>(plan::BatchArray::BlockTables) +
              sizeOf(plan.cache_groups());
      if (binding.access() != plan::Access::Read &&
          binding.index() >
              static_cast<uint32_t>(plan::BatchArray::TokenCount)) {
        return broken("plan.binding.access", where,
                      "writes array " + str(binding.index()) +
                          " of the batch; only TokenIds, Positions, "
                          "RopePositions and TokenCount may be written");
      }
      break;
    }
    if (binding.index() >= count) {
      return broken("plan.binding.index", where,
                    std::string("has kind ") +
                        plan::EnumNameBindingKind(binding.kind()) +
                        " and index " + str(binding.index()) +
                        ", but there are only " + str(count) + " of this kind");
    }
    AIR_RETURN_IF_ERROR(verifyPlace(binding, where));
    if (binding.kind() == plan::BindingKind::Tensor) {
      // `weightBytes` is only the upper limit of the dispatch's weight_bytes,
      // so a tensor that is bound twice may count twice, and a sum that
      // overflows may be replaced by UINT64_MAX.
      weightBytes =
          checkedAdd(weightBytes, plan.tensors()->Get(binding.index())->bytes())
              .value_or(UINT64_MAX);
    } else if (binding.kind() != plan::BindingKind::Batch) {
      const uint64_t key = uint64_t{binding.kind() == plan::BindingKind::Kv}
                               << 32 |
                           binding.index();
      touched.emplace_back(key, binding.access());
    }
    return Status::ok();
  }

  /// Checks that the buffer, cache or array that a binding refers to is in the
  /// memory of the device that runs the dispatch. For a tensor, this depends on
  /// the placement; verifyPlacements() checks it.
  Status verifyPlace(const plan::Binding &binding, const std::string &where) {
    uint32_t place = device;
    switch (binding.kind()) {
    case plan::BindingKind::Tensor: {
      const plan::Tensor &tensor = *plan.tensors()->Get(binding.index());
      const auto layout = static_cast<Layout>(tensor.layout());
      if (device == 0 && isForGpus(layout)) {
        return broken("plan.binding.device", where,
                      "binds tensor '" + shown(textOf(tensor.name())) +
                          "' in layout " + std::string(layoutName(layout)) +
                          ", which the CPU cannot read");
      }
      break;
    }
    case plan::BindingKind::Buffer: {
      const plan::Buffer &buffer = *plan.buffers()->Get(binding.index());
      place = buffer.device();
      if (device != 0 && !isOfHead && buffer.is_output() &&
          binding.access() != plan::Access::Read) {
        return broken("plan.buffer.output", where,
                      "writes the output '" + shown(textOf(buffer.name())) +
                          "', but its step is not of kind Head; on a GPU, only "
                          "such steps may write an output");
      }
      break;
    }
    case plan::BindingKind::Kv:
      place = plan.cache_groups()
                  ->Get(plan.caches()->Get(binding.index())->group())
                  ->device();
      break;
    case plan::BindingKind::Batch:
      if (device == 0) {
        return broken("plan.binding.device", where,
                      "binds an array of the batch, but runs on the CPU, whose "
                      "kernels get the batch as an argument");
      }
      if (constexpr auto kTables =
              static_cast<uint32_t>(plan::BatchArray::BlockTables);
          binding.index() >= kTables) {
        place = plan.cache_groups()->Get(binding.index() - kTables)->device();
      }
      if (program.tile_tokens() == 0 &&
          binding.index() >=
              static_cast<uint32_t>(plan::BatchArray::TokenCount) +
                  (choosesTokens ? 1 : 0) &&
          binding.index() <
              static_cast<uint32_t>(plan::BatchArray::BlockTables)) {
        return broken("plan.binding.batch", where,
                      std::string("binds the batch's array ") +
                          plan::EnumNameBatchArray(
                              static_cast<plan::BatchArray>(binding.index())) +
                          ", but its program has a tile_tokens of 0; only a "
                          "program whose tile_tokens is not 0 has this array, "
                          "except that a dispatch that chooses tokens may read "
                          "TokenCount");
      }
      break;
    }
    if (place != device) {
      return broken("plan.binding.device", where,
                    std::string("binds a ") +
                        plan::EnumNameBindingKind(binding.kind()) +
                        " on device " + str(place) +
                        ", but the dispatch runs on device " + str(device));
    }
    return Status::ok();
  }

  /// Checks that a buffer or cache that the dispatch writes is bound only
  /// once. A kernel may assume that a binding that it writes overlaps no other
  /// binding.
  Status verifyAliases(const std::string &where) {
    std::sort(touched.begin(), touched.end());
    for (size_t i = 1; i < touched.size(); ++i) {
      if (touched[i].first == touched[i - 1].first &&
          (touched[i].second != plan::Access::Read ||
           touched[i - 1].second != plan::Access::Read)) {
        return broken("plan.binding.alias", where,
                      "binds " +
                          std::string(touched[i].first >> 32 != 0 ? "cache "
                                                                  : "buffer ") +
                          str(touched[i].first & UINT32_MAX) +
                          " twice and writes it; what a dispatch writes may be "
                          "bound only once");
      }
    }
    return Status::ok();
  }

  const plan::Plan &plan;
  const plan::Program &program;
  uint32_t device = 0;        ///< the device that runs the dispatch
  bool isOfHead = false;      ///< whether the dispatch belongs to the head
  bool choosesTokens = false; ///< whether the dispatch is a choice (Choice.h)
  std::optional<plan::RowsFrom> headRows; ///< rows_from of the head's launches
  uint64_t weightBytes = 0;
  std::vector<std::pair<uint64_t, plan::Access>> touched;
};

/// Checks that the parts of a divided dispatch follow each other without
/// anything between them, and that together they run every row tile once.
class PartRules {
public:
  Status visit(const plan::Step &step, const plan::Dispatch &dispatch,
               const std::string &where) {
    if (dispatch.launch() != nullptr) {
      // A dispatch on a GPU is never divided into parts.
      return finish(where);
    }
    const plan::Grid &grid = *dispatch.grid();
    if (last != nullptr) {
      AIR_RETURN_IF_ERROR(verifyNext(step, dispatch, where));
    } else if (grid.first_tile() != 0) {
      return broken("plan.dispatch.parts", where,
                    "begins with row tile " + str(grid.first_tile()) +
                        "; it must begin with row tile 0, because it does not "
                        "continue the dispatch before it");
    }
    const bool isOpen = grid.tiles() != 0 && end(grid) < grid.base_tiles();
    last = isOpen ? &dispatch : nullptr;
    lastStep = isOpen ? &step : nullptr;
    return Status::ok();
  }

  Status finish(const std::string &where) const {
    if (last == nullptr) {
      return Status::ok();
    }
    return broken("plan.dispatch.parts", where,
                  "ends after only " + str(end(*last->grid())) + " of the " +
                      countOf(last->grid()->base_tiles(), "row tile") +
                      " of its last dispatch; all of them must run");
  }

private:
  static uint64_t end(const plan::Grid &grid) {
    return grid.first_tile() + grid.tiles();
  }

  Status verifyNext(const plan::Step &step, const plan::Dispatch &dispatch,
                    const std::string &where) const {
    const plan::Grid &grid = *dispatch.grid();
    const plan::Grid &before = *last->grid();
    if (grid.tiles() == 0 || grid.first_tile() != end(before) ||
        step.kind() != lastStep->kind() || step.layer() != lastStep->layer() ||
        !continuesLast(dispatch)) {
      return broken(
          "plan.dispatch.parts", where,
          "must continue the dispatch before it, which has run only " +
              str(end(before)) + " of its " +
              countOf(before.base_tiles(), "row tile"));
    }
    // Only the last part of a dispatch may have a barrier. After a barrier, the
    // next part would count as a separate dispatch that uses the same buffers.
    if (last->barrier()) {
      return broken("plan.dispatch.parts", where,
                    "continues a dispatch that has a barrier; if a dispatch is "
                    "divided into parts, only the last part may have a "
                    "barrier");
    }
    return Status::ok();
  }

  /// Whether `dispatch` can be the part that follows the part `last` of a
  /// divided dispatch. Both parts must call the same kernel with the same
  /// bindings. They may run different tiles, and may differ in barriers and
  /// costs, but not in arithmetic, which is a property of the kernel.
  bool continuesLast(const plan::Dispatch &dispatch) const {
    const plan::Grid &grid = *dispatch.grid();
    const plan::Grid &before = *last->grid();
    if (dispatch.executable() != last->executable() ||
        dispatch.entry() != last->entry() ||
        dispatch.scratch_bytes() != last->scratch_bytes() ||
        dispatch.arithmetic() != last->arithmetic() ||
        grid.base_tiles() != before.base_tiles() ||
        grid.tokens_per_tile() != before.tokens_per_tile() ||
        grid.rows_from() != before.rows_from() ||
        grid.rows_per_tile() != before.rows_per_tile() ||
        dispatch.bindings()->size() != last->bindings()->size()) {
      return false;
    }
    for (uint32_t i = 0; i < dispatch.bindings()->size(); ++i) {
      const plan::Binding &a = *dispatch.bindings()->Get(i);
      const plan::Binding &b = *last->bindings()->Get(i);
      if (a.kind() != b.kind() || a.index() != b.index() ||
          a.access() != b.access()) {
        return false;
      }
    }
    return true;
  }

  // The previous part and its step, if another part of the same dispatch must
  // follow. Both are null otherwise.
  const plan::Dispatch *last = nullptr;
  const plan::Step *lastStep = nullptr;
};

/// Checks which devices the steps of a program run on, and what is copied
/// between them.
class DeviceRules {
public:
  /// `headDevice` is the device that runs the head in the programs that have
  /// been checked, if any. visit() sets it.
  DeviceRules(const plan::Plan &plan, const plan::Program &program,
              std::optional<uint32_t> &headDevice)
      : plan(plan), program(program), headDevice(headDevice) {}

  /// The dispatches of `step` must have been checked.
  Status visit(const plan::Step &step, const std::string &where) {
    const uint32_t device = deviceOf(*step.dispatches()->Get(0));
    for (const plan::Dispatch *dispatch : *step.dispatches()) {
      if (deviceOf(*dispatch) != device) {
        return broken("plan.step.device", where,
                      "has dispatches on the devices " + str(device) + " and " +
                          str(deviceOf(*dispatch)) +
                          "; all dispatches of a step must run on one device");
      }
    }
    if (step.kind() == plan::StepKind::Head) {
      if (headDevice.value_or(device) != device) {
        return broken("plan.step.device", where,
                      "is of kind Head and runs on device " + str(device) +
                          ", but an earlier step of this kind runs on device " +
                          str(*headDevice) +
                          "; all of them must run on one device");
      }
      headDevice = device;
    }
    const bool isApart =
        sizeOf(step.copies()) != 0 || (last != nullptr && device != lastDevice);
    if (isApart && last != nullptr && !last->barrier()) {
      return broken("plan.step.device", where,
                    "has copies, or runs on a different device from the step "
                    "before it, so the dispatch before it must have a barrier");
    }
    for (uint32_t i = 0; i < sizeOf(step.copies()); ++i) {
      AIR_RETURN_IF_ERROR(verifyCopy(*step.copies()->Get(i), device,
                                     where + ", copy " + str(i)));
    }
    last = step.dispatches()->Get(step.dispatches()->size() - 1);
    lastDevice = device;
    return Status::ok();
  }

private:
  uint32_t deviceOf(const plan::Dispatch &dispatch) const {
    return plan.executables()->Get(dispatch.executable())->device();
  }

  Status verifyCopy(const plan::BufferCopy &copy, uint32_t device,
                    const std::string &where) const {
    const uint32_t count = plan.buffers()->size();
    if (copy.from() >= count || copy.to() >= count) {
      return broken("plan.copy.buffers", where,
                    "copies buffer " + str(copy.from()) + " to buffer " +
                        str(copy.to()) + ", but there are only " + str(count) +
                        " buffers");
    }
    const plan::Buffer &from = *plan.buffers()->Get(copy.from());
    const plan::Buffer &to = *plan.buffers()->Get(copy.to());
    if (to.device() != device || from.device() == device || to.is_output() ||
        to.is_zeroed() || from.is_zeroed()) {
      return broken("plan.copy.buffers", where,
                    "copies buffer '" + shown(textOf(from.name())) +
                        "' of device " + str(from.device()) + " to buffer '" +
                        shown(textOf(to.name())) + "' of device " +
                        str(to.device()) +
                        "; it must copy from another device to the device of "
                        "the step, which is " +
                        str(device) +
                        ", neither to an output nor from or to a buffer that "
                        "is zeroed");
    }
    const auto bytes = checkedMul(copy.row_bytes(), program.max_tokens());
    if (copy.row_bytes() == 0 || !bytes ||
        *bytes > std::min(from.bytes(), to.bytes())) {
      return broken("plan.copy.rows", where,
                    "copies up to " + countOf(program.max_tokens(), "row") +
                        " of " + str(copy.row_bytes()) +
                        " bytes from a buffer of " + str(from.bytes()) +
                        " bytes to one of " + str(to.bytes()) +
                        "; a row must not be empty, and all of them must fit "
                        "in both");
    }
    return Status::ok();
  }

  const plan::Plan &plan;
  const plan::Program &program;
  const plan::Dispatch *last = nullptr; ///< the last one of the step before
  uint32_t lastDevice = 0;
  std::optional<uint32_t> &headDevice;
};

Status verifySteps(const plan::Plan &plan, const plan::Program &program,
                   const std::string &where,
                   std::optional<uint32_t> &headDevice) {
  if (sizeOf(program.steps()) == 0) {
    return broken("plan.program.steps", where, "has no steps");
  }
  DispatchRules dispatchRules(plan, program);
  PartRules partRules;
  DeviceRules deviceRules(plan, program, headDevice);
  const auto layers = static_cast<int64_t>(plan.model()->layers());
  for (uint32_t s = 0; s < program.steps()->size(); ++s) {
    const plan::Step &step = *program.steps()->Get(s);
    const std::string at = where + ", " + label("step", s, step);
    AIR_RETURN_IF_ERROR(checkName("plan.step.name", at, textOf(step.name())));
    AIR_RETURN_IF_ERROR(checkEnum(at, "kind", static_cast<uint8_t>(step.kind()),
                                  plan::EnumNameStepKind(step.kind())));
    if (step.layer() < -1 || step.layer() >= layers) {
      return broken("plan.step.layer", at,
                    "layer is " + std::to_string(step.layer()) +
                        "; it must be -1 to " + std::to_string(layers - 1));
    }
    if (sizeOf(step.dispatches()) == 0) {
      return broken("plan.step.dispatches", at, "has no dispatches");
    }
    for (uint32_t d = 0; d < step.dispatches()->size(); ++d) {
      const plan::Dispatch &dispatch = *step.dispatches()->Get(d);
      const std::string place = at + ", dispatch " + str(d);
      AIR_RETURN_IF_ERROR(dispatchRules.verify(step, dispatch, place));
      AIR_RETURN_IF_ERROR(partRules.visit(step, dispatch, place));
    }
    AIR_RETURN_IF_ERROR(deviceRules.visit(step, at));
  }
  return partRules.finish(where);
}

} // namespace

Status verifyPrograms(const plan::Plan &plan) {
  const uint64_t maxTokens = plan.max_tokens();
  if (maxTokens == 0 || maxTokens > UINT32_MAX) {
    return broken("plan.batch", "max_tokens",
                  "is " + str(maxTokens) + "; it must be 1 to " +
                      str(UINT32_MAX));
  }
  if (plan.max_outputs() == 0 || plan.max_outputs() > maxTokens) {
    return broken("plan.batch", "max_outputs",
                  "is " + str(plan.max_outputs()) +
                      "; it must be 1 to max_tokens, which is " +
                      str(maxTokens));
  }
  const uint32_t count = plan.programs()->size();
  if (count > kMaxPrograms) {
    return broken("plan.program.count", "programs",
                  "there are " + str(count) + "; at most " + str(kMaxPrograms) +
                      " are allowed");
  }
  std::unordered_set<std::string_view> names;
  std::optional<uint32_t> headDevice;
  uint64_t next = 1;
  for (uint32_t p = 0; p < count; ++p) {
    const plan::Program &program = *plan.programs()->Get(p);
    const std::string where = label("program", p, program);
    AIR_RETURN_IF_ERROR(
        checkName("plan.program.name", where, textOf(program.name())));
    if (!names.insert(textOf(program.name())).second) {
      return broken("plan.program.name", where,
                    "has the same name as an earlier one");
    }
    if (program.min_tokens() != next || program.max_tokens() < next ||
        program.max_tokens() > maxTokens) {
      return broken("plan.program.range", where,
                    "covers " + str(program.min_tokens()) + " to " +
                        countOf(program.max_tokens(), "token") +
                        "; the programs must cover 1 to " + str(maxTokens) +
                        " without gaps, so this one must start at " +
                        str(next));
    }
    const bool onGpu = sizeOf(plan.machine()->devices()) != 0;
    if (program.tile_tokens() > (onGpu ? program.max_tokens() : 0)) {
      return broken("plan.program.tiles", where,
                    "has a tile_tokens of " + str(program.tile_tokens()) +
                        "; it must be 0 in a plan without a GPU, and at most " +
                        str(program.max_tokens()) +
                        ", the program's max_tokens, in a plan with a GPU");
    }
    next = program.max_tokens() + 1;
    AIR_RETURN_IF_ERROR(verifySteps(plan, program, where, headDevice));
  }
  if (next != maxTokens + 1) {
    return broken("plan.program.range", "programs",
                  "they cover 1 to " + countOf(next - 1, "token") +
                      ", but max_tokens is " + str(maxTokens));
  }
  return Status::ok();
}

} // namespace air::rules
