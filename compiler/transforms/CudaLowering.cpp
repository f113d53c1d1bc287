//===- CudaLowering.cpp - fused steps -> kernels of a GPU -----------------===//
#include "compiler/transforms/CudaLowering.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/WeightForm.h"
#include "compiler/dialect/plan/CudaSpecAttr.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/transforms/CudaPrefill.h"
#include "formats/abi/TokenDraw.h"
#include "formats/plan/T16.h"
#include "formats/support/CheckedMath.h"

#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>

using namespace mlir;
using namespace air::ir::plan;
using namespace air::codegen::cuda;

namespace air::compiler {

using Operands = llvm::StringMap<Attribute>;

/// Batches of more than kDecodeTokens and up to this many tokens have a program
/// of their own. Its kernels can have smaller tiles, so incomplete tiles waste
/// less time.
constexpr uint32_t kShortPrefill = 64;

/// The largest vocabulary from which a kernel can choose a token.
constexpr uint32_t kMostChoices = 1U << 24;

/// Clamps a size to 32 bits. The generators of kernels refuse sizes that are
/// too large.
static uint32_t narrow(uint64_t value) {
  return static_cast<uint32_t>(std::min<uint64_t>(value, UINT32_MAX));
}

CudaLowering::CudaLowering(GraphOp graphOp, KvOp kvOp,
                           const MachineProfile &profile,
                           const CudaTarget &cudaTarget, uint32_t tokens,
                           uint32_t outputs, GraphPart graphPart)
    : LoweringContext(graphOp, kvOp, profile, graphPart), cuda(cudaTarget),
      multiprocessors(profile.gpus.front().multiprocessors),
      memoryBandwidth(profile.gpus.front().memoryBandwidth), maxTokens(tokens),
      maxOutputs(outputs) {}

Status CudaLowering::run() {
  const std::vector<Operation *> ops = partOps();
  for (Operation *op : ops) {
    auto attnIn = dyn_cast<AttnInOp>(op);
    if (!attnIn || !attnIn.getRopeAttr()) {
      continue;
    }
    if (rope && rope != attnIn.getRopeAttr()) {
      return unsupportedError("the parameters of rotary position embedding "
                              "(rope) differ between layers; kernels for GPUs "
                              "need the same parameters in all layers, so "
                              "choose a target without a GPU");
    }
    rope = attnIn.getRopeAttr();
  }
  if (taken) {
    lowerTaken();
  }
  for (Operation *op : ops) {
    AIR_RETURN_IF_ERROR(lower(op));
  }
  uint32_t first = 1;
  for (const uint32_t most : {1U, kDecodeTokens, kShortPrefill, maxTokens}) {
    const uint32_t last = std::min(most, maxTokens);
    if (first <= last) {
      AIR_RETURN_IF_ERROR(createProgram(first, last));
      first = last + 1;
    }
  }
  return Status::ok();
}

Status CudaLowering::lower(Operation *op) {
  auto step = dyn_cast<StepOpInterface>(op);
  if (!step) {
    return internalError("'" + op->getName().getStringRef().str() +
                         "' is not a step");
  }
  steps.push_back({step.getStepKind(),
                   step.getStepLayer(),
                   step.getStepName(),
                   {},
                   {},
                   {}});
  Status status =
      llvm::TypeSwitch<Operation *, Status>(op)
          .Case([&](EmbedOp embed) { return lowerEmbed(embed); })
          .Case([&](AttnInOp attnIn) { return lowerAttnIn(attnIn); })
          .Case([&](AttnOp attn) { return lowerAttn(attn); })
          .Case<AttnOutOp, FfnOutOp>([&](auto out) {
            return lowerProjectAdd(out.getX(), out.getResidual(),
                                   out.getResult(), out.getWeight(),
                                   out.getBiasAttr());
          })
          .Case([&](FfnInOp ffnIn) { return lowerFfnIn(ffnIn); })
          .Case([&](HeadOp head) { return lowerHead(head); })
          .Default([&](Operation *other) {
            return unsupportedError("no kernel for GPUs computes '" +
                                    other->getName().getStringRef().str() +
                                    "' as a separate step; choose a target "
                                    "without a GPU");
          });
  AIR_RETURN_IF_ERROR(status.withContext("step " + step.getStepName()));
  freeBuffers(op);
  return Status::ok();
}

// ---- steps ------------------------------------------------------------------

/// Adds the step that copies the residual stream from the CPU and computes the
/// angles of RoPE, which the attention of the GPU's layers needs.
void CudaLowering::lowerTaken() {
  steps.push_back({StepKind::Positions, -1, "gpu.positions", {}, {}, {}});
  steps.back().copyFrom = FlatSymbolRefAttr::get(context, takenFrom);
  steps.back().copyTo =
      FlatSymbolRefAttr::get(context, takenBuffer(taken, "x"));
  BeginStep spec;
  spec.dtype = DType::F32;
  spec.dependentLaunch = cuda.hasDependentLaunch;
  Operands operands;
  addAngles(spec, operands);
  steps.back().dispatches.push_back({spec, std::move(operands)});
}

void CudaLowering::addAngles(BeginStep &spec, Operands &operands) {
  if (rope) {
    spec.ropeDim = narrow(static_cast<uint64_t>(rope.getDim()));
    spec.angleScale = static_cast<float>(rope.getMagnitude().convertToDouble());
    angles = takeBuffer("angles", static_cast<uint64_t>(rope.getDim()),
                        RowsFrom::Tokens);
    operands["angles"] = symbol(angles);
    operands["inverse_frequency"] = symbol(addFrequencies(rope));
  }
}

Status CudaLowering::lowerEmbed(EmbedOp op) {
  WeightAttr table = op.getTable();
  BeginStep spec;
  spec.dtype = table.getDtype();
  spec.vocabulary = narrow(static_cast<uint64_t>(table.getRows()));
  spec.columns = narrow(static_cast<uint64_t>(table.getColumns()));
  spec.scale = op.getScale().convertToFloat();
  spec.dependentLaunch = cuda.hasDependentLaunch;
  Operands operands;
  operands["table"] =
      symbol(addTensor(Recipe::Copy, table, RopeAttr(), table.getDtype(),
                       Layout::Rows, static_cast<uint64_t>(table.getRows()),
                       static_cast<uint64_t>(table.getColumns())));
  operands["x"] = symbol(resultBuffer(op.getResult(), "x", RowsFrom::Tokens));
  addAngles(spec, operands);
  steps.back().dispatches.push_back({spec, std::move(operands)});
  return Status::ok();
}

std::vector<CudaLowering::HeadGroup> CudaLowering::headGroups(AttnInOp op) {
  const WeightAttr weights[] = {op.getQ(), op.getK(), op.getV()};
  const WeightAttr biases[] = {op.getQBiasAttr(), op.getKBiasAttr(),
                               op.getVBiasAttr()};
  uint32_t HeadRows::*const counts[] = {
      &HeadRows::queryHeads, &HeadRows::keyHeads, &HeadRows::valueHeads};
  const uint64_t heads[] = {op.getHeads(), op.getKvHeads(), op.getKvHeads()};
  std::vector<HeadGroup> groups;
  for (size_t i = 0; i < 3; ++i) {
    auto group = llvm::find_if(groups, [&](const HeadGroup &known) {
      return known.weights.front().getDtype() == weights[i].getDtype() &&
             known.biases.empty() == !biases[i];
    });
    if (group == groups.end()) {
      group = groups.insert(group, HeadGroup());
    }
    group->weights.push_back(weights[i]);
    if (biases[i]) {
      group->biases.push_back(biases[i]);
    }
    group->heads.*counts[i] = narrow(heads[i]);
  }
  return groups;
}

KvPages CudaLowering::pages() const {
  KvOp cache = kv;
  KvPages pages;
  pages.headDim = narrow(cache.getHeadDim());
  pages.kvHeads = narrow(cache.getHeads());
  pages.pageBytes = static_cast<uint64_t>(cache.getPageBytes());
  pages.tablePages =
      narrow(ceilDiv(cache.getContext(), uint64_t{kKvPageTokens}));
  return pages;
}

Status CudaLowering::lowerAttnIn(AttnInOp op) {
  AIR_RETURN_IF_ERROR(checkCache(op));
  const std::string x = bufferOf[op.getX()];
  const std::string qkv = resultBuffer(op.getResult(), "qkv", RowsFrom::Tokens);
  for (const HeadGroup &group : headGroups(op)) {
    DecodeMatMul spec;
    spec.output = MatMulOutput::Heads;
    spec.heads = group.heads;
    spec.heads.rope = rope.getKind() == ir::llm::RopeKind::Norm
                          ? codegen::RopeKind::Norm
                          : codegen::RopeKind::Neox;
    spec.heads.ropeDim = narrow(static_cast<uint64_t>(rope.getDim()));
    spec.heads.pages = pages();
    uint64_t rows = 0;
    for (WeightAttr weight : group.weights) {
      rows += static_cast<uint64_t>(weight.getRows());
    }
    Operands operands;
    operands["x"] = symbol(x);
    // The first group of heads has the queries, which attention reads from
    // `qkv`. The other groups have only keys and values, which need a buffer
    // only until they are in the KV cache.
    operands["y"] = symbol(group.heads.queryHeads != 0
                               ? qkv
                               : stepBuffer("kv", rows, RowsFrom::Tokens));
    operands["angles"] = symbol(angles);
    operands["kv_cache"] = kvOf(static_cast<int64_t>(op.getCache()));
    if (op.getQNormAttr()) {
      spec.heads.qkNorm = true;
      spec.heads.qkEpsilon = op.getQkEpsilonAttr().getValue().convertToFloat();
      if (group.heads.queryHeads != 0) {
        operands["q_norm"] = vectorFor(op.getQNormAttr());
      }
      if (group.heads.keyHeads != 0) {
        operands["k_norm"] = vectorFor(op.getKNormAttr());
      }
    }
    addNorm(spec, operands, op.getNormAttr(), op.getEpsilonAttr());
    AIR_RETURN_IF_ERROR(addMatMul(std::move(spec), std::move(operands),
                                  group.weights, group.biases, Recipe::Concat));
  }
  return Status::ok();
}

Status CudaLowering::lowerAttn(AttnOp op) {
  // The first matmul of the previous step computes the queries. It stores
  // `rows` floats for each token, so `rows` is the distance, in floats, from
  // the queries of one token to those of the next.
  const auto *queries =
      steps.size() < 2 || steps[steps.size() - 2].kind != StepKind::AttnIn
          ? nullptr
          : std::get_if<DecodeMatMul>(
                &steps[steps.size() - 2].dispatches.front().spec);
  if (queries == nullptr) {
    return internalError(
        "the step before attention does not compute the queries");
  }
  DecodeAttention spec;
  spec.queryHeads = narrow(op.getHeads());
  spec.pages = pages();
  spec.queryStride = queries->rows;
  spec.scale = op.getScale().convertToFloat();
  spec.dependentLaunch = cuda.hasDependentLaunch;
  Operands operands;
  operands["q"] = symbol(bufferOf[op.getQkv()]);
  operands["kv_cache"] = kvOf(static_cast<int64_t>(op.getCache()));
  operands["out"] =
      symbol(resultBuffer(op.getResult(), "heads", RowsFrom::Tokens));
  steps.back().dispatches.push_back({spec, std::move(operands)});
  return Status::ok();
}

Status CudaLowering::lowerProjectAdd(Value x, Value residual, Value result,
                                     WeightAttr weight, WeightAttr bias) {
  DecodeMatMul spec;
  spec.input = MatMulInput::Float;
  spec.output = MatMulOutput::Add;
  const std::string y = bufferOf[residual];
  bufferOf[result] = y;
  Operands operands;
  operands["x"] = symbol(bufferOf[x]);
  operands["y"] = symbol(y);
  return addMatMul(std::move(spec), std::move(operands), weight,
                   bias ? ArrayRef<WeightAttr>(bias) : ArrayRef<WeightAttr>(),
                   Recipe::Copy);
}

Status CudaLowering::lowerFfnIn(FfnInOp op) {
  const WeightAttr matrices[] = {op.getGate(), op.getUp()};
  DecodeMatMul spec;
  spec.output = MatMulOutput::SiluGlu;
  Operands operands;
  operands["x"] = symbol(bufferOf[op.getX()]);
  operands["y"] = symbol(resultBuffer(op.getResult(), "h", RowsFrom::Tokens));
  addNorm(spec, operands, op.getNormAttr(), op.getEpsilonAttr());
  // Matrices of the same dtype are interleaved in groups of 8 rows.
  if (matrices[0].getDtype() == matrices[1].getDtype() &&
      matrices[0].getRows() % (kT16Rows / 2) == 0) {
    return addMatMul(std::move(spec), std::move(operands), matrices, {},
                     Recipe::Interleave);
  }
  spec.output = MatMulOutput::Store;
  AIR_RETURN_IF_ERROR(addMatMul(spec, operands, matrices[0], {}, Recipe::Copy));
  spec.output = MatMulOutput::SiluUp;
  return addMatMul(std::move(spec), std::move(operands), matrices[1], {},
                   Recipe::Copy);
}

Status CudaLowering::lowerHead(HeadOp op) {
  DecodeMatMul spec;
  spec.output = MatMulOutput::Store;
  Operands operands;
  operands["x"] = symbol(bufferOf[op.getX()]);
  operands["y"] =
      symbol(resultBuffer(op.getResult(), "logits", RowsFrom::Outputs));
  const Attribute logits = operands["y"];
  addNorm(spec, operands, op.getNorm(), op.getEpsilonAttr());
  AIR_RETURN_IF_ERROR(
      addMatMul(std::move(spec), std::move(operands), op.getWeight(),
                op.getBiasAttr() ? ArrayRef<WeightAttr>(op.getBiasAttr())
                                 : ArrayRef<WeightAttr>(),
                Recipe::Copy));
  ChooseToken choose;
  choose.vocabulary = narrow(static_cast<uint64_t>(op.getWeight().getRows()));
  if (choose.vocabulary <= kMostDrawnTokens) {
    // If the token is drawn at random, a single thread block samples from all
    // logits of the sequence. All blocks therefore have 16 warps, the most that
    // Draw allows.
    choose.choice = Choice::Draw;
    choose.warps = 16;
  }
  choose.advance = true;
  choose.dependentLaunch = cuda.hasDependentLaunch;
  if (choose.vocabulary <= kMostChoices) {
    Operands ofChoice;
    ofChoice["logits"] = logits;
    steps.back().dispatches.push_back({choose, std::move(ofChoice)});
  }
  return Status::ok();
}

// ---- matmuls ----------------------------------------------------------------

void CudaLowering::addNorm(DecodeMatMul &spec, Operands &operands,
                           WeightAttr norm, FloatAttr epsilon) {
  spec.input = norm ? MatMulInput::RmsNorm : MatMulInput::Float;
  if (norm) {
    spec.epsilon = epsilon.getValue().convertToFloat();
    operands["norm_weight"] = vectorFor(norm);
  }
}

Status CudaLowering::addMatMul(DecodeMatMul spec, Operands operands,
                               ArrayRef<WeightAttr> weights,
                               ArrayRef<WeightAttr> biases, Recipe recipe) {
  const bool isGlu = recipe == Recipe::Interleave;
  const DType dtype = weights.front().getDtype();
  const auto columns = static_cast<uint64_t>(weights.front().getColumns());
  uint64_t rows = 0;
  for (WeightAttr weight : weights) {
    rows += static_cast<uint64_t>(weight.getRows());
  }
  const Layout layout =
      weightLayout(dtype, cuda, multiprocessors, memoryBandwidth);
  if (Result<uint64_t> bytes = layoutBytes(dtype, layout, rows, columns);
      !bytes) {
    return unsupportedError("no kernel of a GPU reads " + nameOf(dtype) +
                            " matrices: " + bytes.status().message());
  }
  spec.dtype = dtype;
  spec.layout = layout;
  spec.rows = narrow(isGlu ? rows / 2 : rows);
  spec.columns = narrow(columns);
  spec.multiprocessors = multiprocessors;
  spec.dependentLaunch = cuda.hasDependentLaunch;
  operands["weights"] = symbol(addTensor(
      recipe == Recipe::Concat && weights.size() == 1 ? Recipe::Copy : recipe,
      weights, RopeAttr(), dtype, layout, rows, columns));
  if (!biases.empty()) {
    spec.hasBias = true;
    operands["bias"] = vectorFor(biases);
  }
  if (isScaled(weights)) {
    spec.hasRowScales = true;
    operands["row_scales"] = rowScalesOf(weights);
  }
  steps.back().dispatches.push_back({spec, std::move(operands)});
  return Status::ok();
}

// ---- programs ---------------------------------------------------------------

/// Sets the number of tokens of a kernel of a decode step, and the fields that
/// depend on this number.
static void setTokens(CudaSpec &spec, uint32_t tokens, const CudaTarget &target,
                      uint32_t multiprocessors) {
  if (auto *begin = std::get_if<BeginStep>(&spec)) {
    begin->tokens = tokens;
  } else if (auto *matmul = std::get_if<DecodeMatMul>(&spec)) {
    matmul->tokens = tokens;
    matmul->tiling = defaultDecodeTiling(*matmul, target);
  } else if (auto *attention = std::get_if<DecodeAttention>(&spec)) {
    attention->tokens = tokens;
    // A thread block handles one token, one KV head, up to 8 query heads and
    // one range of positions. There are enough ranges for two blocks per
    // multiprocessor, but at most kMaxRanges and at most one per page.
    constexpr uint64_t kMaxRanges = 64;
    const KvPages &pages = attention->pages;
    const uint64_t group = attention->queryHeads / pages.kvHeads;
    const uint64_t blocks =
        uint64_t{tokens} * pages.kvHeads * ceilDiv(group, uint64_t{8});
    const uint64_t wanted = ceilDiv(uint64_t{multiprocessors} * 2, blocks);
    attention->splits = static_cast<uint32_t>(
        std::min({wanted, kMaxRanges, uint64_t{pages.tablePages}}));
  } else if (auto *choose = std::get_if<ChooseToken>(&spec)) {
    choose->tokens = tokens;
    // The tokens together have about one thread block per multiprocessor, or
    // fewer if each thread would otherwise look at fewer than four logits.
    constexpr uint64_t kLogitsPerThread = 4;
    const uint64_t least = uint64_t{choose->warps} * 32 * kLogitsPerThread;
    choose->blocks = static_cast<uint32_t>(
        std::min(ceilDiv(uint64_t{multiprocessors}, uint64_t{tokens}),
                 ceilDiv(uint64_t{choose->vocabulary}, least)));
  }
}

std::vector<CudaSpec> CudaLowering::kernelsFor(const CudaSpec &spec,
                                               StepKind step,
                                               uint32_t tokens) const {
  if (tokens > kDecodeTokens) {
    const bool isHead = step == StepKind::Head;
    return prefillKernels(spec, isHead ? std::min(tokens, maxOutputs) : tokens,
                          isHead, cuda, multiprocessors);
  }
  CudaSpec kernel = spec;
  setTokens(kernel, tokens, cuda, multiprocessors);
  return {kernel};
}

Status CudaLowering::createProgram(uint32_t minTokens, uint32_t tokens) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(graph);
  const std::string name =
      "m" + std::to_string(minTokens) +
      (tokens == minTokens ? "" : "-" + std::to_string(tokens));
  auto program = ProgramOp::create(builder, graph.getLoc(), name, minTokens,
                                   tokens, IntegerAttr());
  // This renames the program if a tensor of the model has the same name.
  symbols.insert(program);
  firstProgram = firstProgram ? firstProgram : program;
  builder.createBlock(&program.getBody());
  // In a prefill, tile_tokens must not be 0 even if no attention reads tiles.
  uint32_t tileTokens = tokens > kDecodeTokens ? 1 : 0;
  for (const Step &lowered : steps) {
    OpBuilder::InsertionGuard stepGuard(builder);
    auto step = StepOp::create(builder, graph.getLoc(), lowered.kind,
                               static_cast<uint64_t>(lowered.layer),
                               lowered.name, lowered.copyFrom, lowered.copyTo);
    builder.createBlock(&step.getBody());
    for (const Dispatch &dispatch : lowered.dispatches) {
      for (const CudaSpec &spec :
           kernelsFor(dispatch.spec, lowered.kind, tokens)) {
        if (const auto *attention = std::get_if<PrefillAttention>(&spec)) {
          tileTokens = attention->tiling.tileTokens;
        }
        AIR_RETURN_IF_ERROR(createDispatch(spec, dispatch.operands)
                                .withContext("step " + lowered.name));
      }
    }
  }
  if (tileTokens != 0) {
    program.setTileTokens(tileTokens);
  }
  return Status::ok();
}

Attribute CudaLowering::sharedBuffer(StringRef name, uint64_t bytes,
                                     bool isZeroed) {
  const uint64_t words =
      std::max<uint64_t>(1, ceilDiv(bytes, uint64_t{sizeof(float)}));
  BufferOp &op = shared[name];
  if (!op) {
    // The buffer must be created outside the program.
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(firstProgram);
    op =
        BufferOp::create(builder, graph.getLoc(), name, words, RowsFrom::Tokens,
                         IntegerAttr(), /*is_output=*/false, IntegerAttr(),
                         IntegerAttr(), device, /*fixed=*/true, isZeroed);
    symbols.insert(op);
  }
  op.setRowElements(std::max<uint64_t>(op.getRowElements(), words));
  return symbol(op.getSymName());
}

/// Whether all kernels that have an operand of this name share one buffer for
/// it, because it carries no data from one step to the next.
static bool isShared(StringRef operand) {
  return operand == "partials" || operand == "counters" ||
         operand == "operands" || operand == "scales";
}

Status CudaLowering::createDispatch(const CudaSpec &spec,
                                    const Operands &operands) {
  AIR_ASSIGN_OR_RETURN(const CudaKernel kernel,
                       generateKernel(spec, cuda, deviceIntrinsicsText()));
  SmallVector<Attribute> bindings;
  for (const CudaBinding &binding : cudaBindings(spec, kernel)) {
    const auto access = static_cast<Access>(binding.access);
    if (binding.kind == codegen::BindingKind::Batch) {
      bindings.push_back(BindingAttr::get(
          context, access, ir::plan::BindingKind::Batch, FlatSymbolRefAttr(),
          static_cast<int64_t>(binding.array)));
      continue;
    }
    Attribute operand = isShared(binding.name)
                            ? sharedBuffer(binding.name, binding.bytes,
                                           binding.name == "counters")
                            : operands.lookup(binding.name);
    if (!operand) {
      return internalError("nothing is bound to the operand '" + binding.name +
                           "' of kernel " + kernel.name);
    }
    if (auto cache = dyn_cast<IntegerAttr>(operand)) {
      bindings.push_back(BindingAttr::get(context, access, cache.getInt()));
    } else {
      bindings.push_back(BindingAttr::get(
          context, access, static_cast<ir::plan::BindingKind>(binding.kind),
          cast<FlatSymbolRefAttr>(operand).getValue()));
    }
  }
  DispatchOp::create(
      builder, graph.getLoc(), kernel.name, cudaSpecToAttr(context, spec),
      builder.getArrayAttr(bindings), /*base_tiles=*/1,
      /*tokens_per_tile=*/0, /*rows_per_tile=*/0,
      /*first_tile=*/IntegerAttr(), /*end_tile=*/IntegerAttr(),
      computesOutputs(spec) ? RowsFrom::Outputs : RowsFrom::Tokens,
      weightBytesRead(spec, kernel), flopsPerToken(spec),
      /*scratch_bytes=*/0, arithmeticOf(spec),
      /*overlap=*/false,
      LaunchAttr::get(context, kernel.gridX, kernel.gridY, kernel.threads,
                      kernel.sharedBytes, hasDependentLaunch(spec)));
  return Status::ok();
}

} // namespace air::compiler
