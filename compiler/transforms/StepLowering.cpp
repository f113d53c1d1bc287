//===- StepLowering.cpp - fused steps -> dispatches -----------------------===//
#include "compiler/transforms/StepLowering.h"

#include "codegen/KernelBindings.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "formats/plan/Layout.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

using codegen::KernelOp;
using codegen::KernelSpec;

StepLowering::StepLowering(GraphOp graphOp, KvOp kvOp,
                           const MachineProfile &profile,
                           codegen::Precision least, GraphPart graphPart)
    : LoweringContext(graphOp, kvOp, profile, graphPart), precision(least) {}

Result<std::vector<LoweredStep>> StepLowering::run() {
  const std::vector<Operation *> ops = partOps();
  for (Operation *op : ops) {
    if (auto head = dyn_cast<HeadOp>(op)) {
      multiplied.insert(head.getWeight().getName());
    } else if (auto matmul = dyn_cast<MatMulOp>(op)) {
      multiplied.insert(matmul.getWeight().getName());
    } else if (auto attnIn = dyn_cast<AttnInOp>(op)) {
      RopeAttr rope = attnIn.getRopeAttr();
      if (rope && llvm::none_of(ropes, [&](const Rope &known) {
            return known.attr == rope;
          })) {
        ropes.push_back({rope, ""});
      }
    }
  }
  AIR_RETURN_IF_ERROR(lowerPositions());
  for (Operation *op : ops) {
    AIR_RETURN_IF_ERROR(lower(op));
  }
  return std::move(steps);
}

Status StepLowering::lower(Operation *op) {
  auto step = dyn_cast<StepOpInterface>(op);
  if (!step) {
    return internalError("'" + op->getName().getStringRef().str() +
                         "' is not a step");
  }
  steps.push_back(
      {step.getStepKind(), step.getStepLayer(), step.getStepName(), {}});
  packedOf.clear();
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
          .Case([&](NormOp norm) { return lowerNorm(norm); })
          .Case([&](MatMulOp matmul) { return lowerMatMul(matmul); })
          .Case([&](AddOp sum) {
            KernelSpec spec;
            spec.op = KernelOp::Add;
            spec.k = columnsOf(sum.getX());
            std::string y = bufferOf[sum.getResidual()];
            bufferOf[sum.getResult()] = y;
            add(spec, {symbol(bufferOf[sum.getX()]), symbol(y)});
            return Status::ok();
          })
          .Case([&](GluOp glu) {
            KernelSpec spec;
            spec.op = KernelOp::SiluMul;
            spec.k = columnsOf(glu.getGate());
            std::string y =
                resultBuffer(glu.getResult(), "glu", RowsFrom::Tokens);
            add(spec, {symbol(bufferOf[glu.getGate()]),
                       symbol(bufferOf[glu.getUp()]), symbol(y)});
            return Status::ok();
          })
          .Default([&](Operation *other) {
            return unsupportedError("no kernel computes '" +
                                    other->getName().getStringRef().str() +
                                    "'");
          });
  AIR_RETURN_IF_ERROR(status.withContext("step " + step.getStepName()));
  freeBuffers(op);
  return Status::ok();
}

// ---- steps ------------------------------------------------------------------

Status StepLowering::lowerPositions() {
  if (ropes.empty()) {
    return Status::ok();
  }
  steps.push_back({StepKind::Positions, -1, "positions", {}});
  for (size_t i = 0; i < ropes.size(); ++i) {
    RopeAttr rope = ropes[i].attr;
    auto dim = static_cast<uint64_t>(rope.getDim());
    ropes[i].angles =
        takeBuffer(i == 0 ? "angles" : "angles." + std::to_string(i), dim,
                   RowsFrom::Tokens);
    KernelSpec spec;
    spec.op = KernelOp::RopeAngles;
    spec.ropeDim = dim;
    spec.scale = static_cast<float>(rope.getMagnitude().convertToDouble());
    add(spec, {symbol(addFrequencies(rope)), symbol(ropes[i].angles)});
  }
  return Status::ok();
}

Status StepLowering::lowerEmbed(EmbedOp op) {
  WeightAttr table = op.getTable();
  KernelSpec spec;
  spec.op = KernelOp::EmbedRows;
  spec.dtype = table.getDtype();
  spec.n = static_cast<uint64_t>(table.getRows());
  spec.k = static_cast<uint64_t>(table.getColumns());
  spec.scale = op.getScale().convertToFloat();

  std::vector<Layout> layouts = codegen::supportedLayouts(spec.dtype, target);
  std::optional<Layout> layout;
  if (multiplied.contains(table.getName())) {
    KernelSpec matmul;
    matmul.dtype = spec.dtype;
    matmul.n = matmul.yStride = spec.n;
    matmul.k = spec.k;
    for (Layout candidate : layouts) {
      matmul.layout = spec.layout = candidate;
      if (codegen::describeKernel(matmul, target) &&
          codegen::describeKernel(spec, target)) {
        layout = candidate;
        sharedLayout[table.getName()] = candidate;
        break;
      }
    }
  }
  if (!layout) {
    // A gather reads single rows. Only in Layout::Rows are the bytes of a row
    // contiguous, so this layout is tried first.
    layouts.insert(layouts.begin(), Layout::Rows);
    AIR_ASSIGN_OR_RETURN(layout, firstLayout(spec, layouts));
  }
  spec.layout = *layout;
  std::string x = resultBuffer(op.getResult(), "x", RowsFrom::Tokens);
  add(spec, {addMatrix({table}, *layout).binding, symbol(x)});
  return Status::ok();
}

Status StepLowering::lowerAttnIn(AttnInOp op) {
  uint64_t heads = op.getHeads();
  uint64_t kvHeads = op.getKvHeads();
  uint64_t headDim = op.getHeadDim();
  AIR_RETURN_IF_ERROR(checkCache(op));
  std::string x = bufferOf[op.getX()];
  if (op.getNormAttr()) {
    std::string normed =
        stepBuffer("attn_normed", columnsOf(op.getX()), RowsFrom::Tokens);
    addNorm(x, op.getNormAttr(),
            op.getEpsilonAttr().getValue().convertToFloat(), normed,
            codegen::RowsFrom::Tokens);
    x = normed;
  }
  std::string qkv = resultBuffer(op.getResult(), "qkv", RowsFrom::Tokens);

  WeightAttr weights[] = {op.getQ(), op.getK(), op.getV()};
  WeightAttr biases[] = {op.getQBiasAttr(), op.getKBiasAttr(),
                         op.getVBiasAttr()};
  bool sameDtype = llvm::all_of(weights, [&](WeightAttr weight) {
    return weight.getDtype() == weights[0].getDtype();
  });
  bool sameBias = llvm::all_of(biases, [&](WeightAttr bias) {
    return static_cast<bool>(bias) == static_cast<bool>(biases[0]);
  });
  KernelSpec shape;
  shape.yStride = columnsOf(op.getResult());
  if (sameDtype && sameBias) {
    AIR_RETURN_IF_ERROR(addMatMul(x, weights,
                                  biases[0] ? ArrayRef<WeightAttr>(biases)
                                            : ArrayRef<WeightAttr>(),
                                  qkv, shape, /*overlap=*/false));
  } else {
    for (size_t i = 0; i < 3; ++i) {
      AIR_RETURN_IF_ERROR(addMatMul(x, weights[i],
                                    biases[i] ? ArrayRef<WeightAttr>(biases[i])
                                              : ArrayRef<WeightAttr>(),
                                    qkv, shape, /*overlap=*/i != 2));
      shape.yOffset += static_cast<uint64_t>(weights[i].getRows());
    }
  }

  RopeAttr rope = op.getRopeAttr();
  KernelSpec append;
  append.op = KernelOp::RopeAppend;
  append.heads = heads;
  append.kvHeads = kvHeads;
  append.headDim = headDim;
  append.ropeDim = static_cast<uint64_t>(rope.getDim());
  append.rope = rope.getKind() == ir::llm::RopeKind::Norm
                    ? codegen::RopeKind::Norm
                    : codegen::RopeKind::Neox;
  append.kvDtype = kv.getDtype().getValue();
  append.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
  auto angles = llvm::find_if(
      ropes, [&](const Rope &known) { return known.attr == rope; });
  SmallVector<Attribute> bindings = {symbol(qkv), symbol(angles->angles)};
  if (op.getQNormAttr()) {
    append.qkNorm = true;
    append.epsilon = op.getQkEpsilonAttr().getValue().convertToFloat();
    bindings.push_back(vectorFor(op.getQNormAttr()));
    bindings.push_back(vectorFor(op.getKNormAttr()));
  }
  bindings.push_back(kvOf(static_cast<int64_t>(op.getCache())));
  add(append, bindings);
  return Status::ok();
}

Status StepLowering::lowerAttn(AttnOp op) {
  KernelSpec spec;
  spec.op = KernelOp::Attention;
  spec.heads = op.getHeads();
  spec.kvHeads = op.getKvHeads();
  spec.headDim = op.getHeadDim();
  spec.scale = op.getScale().convertToFloat();
  spec.kvDtype = kv.getDtype().getValue();
  spec.kvPageBytes = static_cast<uint64_t>(kv.getPageBytes());
  std::string out = resultBuffer(op.getResult(), "heads", RowsFrom::Tokens);
  Attribute qkv = symbol(bufferOf[op.getQkv()]);
  Attribute cache = kvOf(static_cast<int64_t>(op.getCache()));
  unsigned unsplit = kAllMClasses;
  KernelSpec split = spec;
  split.ranges = codegen::attentionRanges(
      spec.kvHeads, static_cast<uint64_t>(kv.getContext()));
  if (split.ranges != 1) {
    unsplit &= ~bitOf(codegen::MClass::One);
    Attribute states = symbol(stepBuffer(
        "attn_states", codegen::attentionStateFloats(split), RowsFrom::Tokens,
        /*mostRows=*/1));
    add(split, {qkv, cache, states}, /*overlap=*/false,
        bitOf(codegen::MClass::One));
    KernelSpec merge;
    merge.op = KernelOp::AttentionMerge;
    merge.heads = spec.heads;
    merge.kvHeads = spec.kvHeads;
    merge.headDim = spec.headDim;
    merge.ranges = split.ranges;
    add(merge, {states, symbol(out)}, /*overlap=*/false,
        bitOf(codegen::MClass::One));
  }
  add(spec, {qkv, cache, symbol(out)}, /*overlap=*/false, unsplit);
  return Status::ok();
}

Status StepLowering::lowerProjectAdd(Value x, Value residual, Value result,
                                     WeightAttr weight, WeightAttr bias) {
  KernelSpec shape;
  shape.yStride = columnsOf(result);
  shape.accumulate = true;
  std::string y = bufferOf[residual];
  bufferOf[result] = y;
  return addMatMul(bufferOf[x], weight,
                   bias ? ArrayRef<WeightAttr>(bias) : ArrayRef<WeightAttr>(),
                   y, shape, /*overlap=*/false);
}

Status StepLowering::lowerFfnIn(FfnInOp op) {
  std::string x = bufferOf[op.getX()];
  if (op.getNormAttr()) {
    std::string normed =
        stepBuffer("ffn_normed", columnsOf(op.getX()), RowsFrom::Tokens);
    addNorm(x, op.getNormAttr(),
            op.getEpsilonAttr().getValue().convertToFloat(), normed,
            codegen::RowsFrom::Tokens);
    x = normed;
  }
  uint64_t width = columnsOf(op.getResult());
  WeightAttr gate = op.getGate();
  WeightAttr up = op.getUp();
  if (gate.getDtype() == up.getDtype()) {
    KernelSpec spec;
    spec.op = KernelOp::GluMatMul;
    spec.dtype = gate.getDtype();
    spec.n = width;
    spec.k = columnsOf(op.getX());
    spec.hasRowScales = isScaled({gate, up});
    AIR_ASSIGN_OR_RETURN(Matrix gateMatrix, matrixFor(spec, gate));
    AIR_ASSIGN_OR_RETURN(Matrix upMatrix, matrixFor(spec, up));
    spec.layout = gateMatrix.layout;
    std::string h = resultBuffer(op.getResult(), "h", RowsFrom::Tokens);
    SmallVector<Attribute> bindings = {gateMatrix.binding, upMatrix.binding};
    if (spec.hasRowScales) {
      bindings.push_back(rowScalesOf(gate));
      bindings.push_back(rowScalesOf(up));
    }
    bindings.push_back(symbol(h));
    addMatMulDispatches(spec, x, bindings, /*overlap=*/false);
    return Status::ok();
  }
  std::string gated = stepBuffer("gate", width, RowsFrom::Tokens);
  std::string upped = stepBuffer("up", width, RowsFrom::Tokens);
  std::string h = resultBuffer(op.getResult(), "h", RowsFrom::Tokens);
  KernelSpec shape;
  shape.yStride = width;
  AIR_RETURN_IF_ERROR(addMatMul(x, gate, {}, gated, shape, /*overlap=*/true));
  AIR_RETURN_IF_ERROR(addMatMul(x, up, {}, upped, shape, /*overlap=*/false));
  KernelSpec glu;
  glu.op = KernelOp::SiluMul;
  glu.k = width;
  add(glu, {symbol(gated), symbol(upped), symbol(h)});
  return Status::ok();
}

Status StepLowering::lowerHead(HeadOp op) {
  std::string normed =
      stepBuffer("xo", columnsOf(op.getX()), RowsFrom::Outputs);
  addNorm(bufferOf[op.getX()], op.getNorm(), op.getEpsilon().convertToFloat(),
          normed, codegen::RowsFrom::Outputs);
  KernelSpec shape;
  shape.yStride = columnsOf(op.getResult());
  shape.rowsFrom = codegen::RowsFrom::Outputs;
  std::string y = resultBuffer(op.getResult(), "logits", RowsFrom::Outputs);
  return addMatMul(normed, op.getWeight(),
                   op.getBiasAttr() ? ArrayRef<WeightAttr>(op.getBiasAttr())
                                    : ArrayRef<WeightAttr>(),
                   y, shape, /*overlap=*/false);
}

Status StepLowering::lowerNorm(NormOp op) {
  RowsFrom rows = op.getSelect() ? RowsFrom::Outputs : RowsFrom::Tokens;
  std::string y =
      resultBuffer(op.getResult(), op.getSelect() ? "xo" : "normed", rows);
  addNorm(
      bufferOf[op.getX()], op.getWeight(), op.getEpsilon().convertToFloat(), y,
      op.getSelect() ? codegen::RowsFrom::Outputs : codegen::RowsFrom::Tokens);
  return Status::ok();
}

Status StepLowering::lowerMatMul(MatMulOp op) {
  KernelSpec shape;
  shape.yStride = columnsOf(op.getResult());
  shape.rowsFrom = op.getRows() == RowsFrom::Outputs
                       ? codegen::RowsFrom::Outputs
                       : codegen::RowsFrom::Tokens;
  std::string y = resultBuffer(op.getResult(), "product", op.getRows());
  return addMatMul(bufferOf[op.getX()], op.getWeight(),
                   op.getBiasAttr() ? ArrayRef<WeightAttr>(op.getBiasAttr())
                                    : ArrayRef<WeightAttr>(),
                   y, shape, /*overlap=*/false);
}

// ---- tensors ----------------------------------------------------------------

Result<Layout> StepLowering::firstLayout(KernelSpec spec,
                                         ArrayRef<Layout> candidates) const {
  Status reason =
      unsupportedError("no kernel of target '" + target.name + "' reads " +
                       nameOf(spec.dtype) + " matrices");
  for (Layout candidate : candidates) {
    spec.layout = candidate;
    Result<codegen::KernelEntry> entry = codegen::describeKernel(spec, target);
    if (entry) {
      return candidate;
    }
    reason = entry.status();
  }
  return reason;
}

StepLowering::Matrix StepLowering::addMatrix(ArrayRef<WeightAttr> sources,
                                             Layout layout) {
  uint64_t rows = 0;
  for (WeightAttr source : sources) {
    rows += static_cast<uint64_t>(source.getRows());
  }
  std::string name =
      addTensor(sources.size() == 1 ? Recipe::Copy : Recipe::Concat, sources,
                RopeAttr(), sources.front().getDtype(), layout, rows,
                static_cast<uint64_t>(sources.front().getColumns()));
  return {symbol(name), layout};
}

Result<StepLowering::Matrix>
StepLowering::matrixFor(const KernelSpec &spec, ArrayRef<WeightAttr> sources) {
  auto shared = sources.size() == 1
                    ? sharedLayout.find(sources.front().getName())
                    : sharedLayout.end();
  if (shared != sharedLayout.end()) {
    return addMatrix(sources, shared->second);
  }
  AIR_ASSIGN_OR_RETURN(
      Layout layout,
      firstLayout(spec, codegen::supportedLayouts(spec.dtype, target)));
  return addMatrix(sources, layout);
}

// ---- dispatches -------------------------------------------------------------

void StepLowering::add(const KernelSpec &spec, ArrayRef<Attribute> operands,
                       bool overlap, unsigned mClasses) {
  SmallVector<Attribute> bindings;
  for (const auto &[binding, operand] :
       llvm::zip_equal(codegen::kernelBindings(spec), operands)) {
    Access access = accessOf(binding);
    if (auto layer = dyn_cast<IntegerAttr>(operand)) {
      bindings.push_back(BindingAttr::get(context, access, layer.getInt()));
    } else {
      bindings.push_back(
          BindingAttr::get(context, access, kindOf(binding),
                           cast<FlatSymbolRefAttr>(operand).getValue()));
    }
  }
  steps.back().dispatches.push_back({spec, bindings, overlap, mClasses});
}

std::string StepLowering::packed(StringRef x, const KernelSpec &spec,
                                 unsigned mClasses) {
  if (spec.activation == codegen::Activation::F32) {
    return x.str();
  }
  std::string name =
      x.str() + "." + std::string(codegen::activationName(spec.activation));
  auto [place, isNew] = packedOf.try_emplace(name);
  Packed &made = place->second;
  if (isNew) {
    KernelSpec pack;
    pack.op = KernelOp::PackActivations;
    pack.activation = spec.activation;
    pack.k = spec.k;
    pack.rowsFrom = spec.rowsFrom;
    made.buffer = stepBuffer(
        name, codegen::activationWords(spec.activation, spec.k),
        spec.rowsFrom == codegen::RowsFrom::Outputs ? RowsFrom::Outputs
                                                    : RowsFrom::Tokens);
    made.dispatch = steps.back().dispatches.size();
    add(pack, {symbol(x), symbol(made.buffer)},
        /*overlap=*/false, 0);
  }
  steps.back().dispatches[made.dispatch].mClasses |= mClasses;
  return made.buffer;
}

void StepLowering::addMatMulDispatches(KernelSpec spec, StringRef x,
                                       ArrayRef<Attribute> others,
                                       bool overlap) {
  // M classes that use the same activation format share one dispatch.
  llvm::MapVector<codegen::Activation, unsigned> classesOf;
  for (codegen::MClass mClass :
       {codegen::MClass::One, codegen::MClass::Small, codegen::MClass::Large}) {
    spec.mClass = mClass;
    classesOf[codegen::bestActivation(spec, target, precision)] |=
        bitOf(mClass);
  }
  spec.mClass = codegen::MClass::One;
  for (auto [form, mClasses] : classesOf) {
    spec.activation = form;
    SmallVector<Attribute> bindings = {symbol(packed(x, spec, mClasses))};
    bindings.append(others.begin(), others.end());
    add(spec, bindings, overlap, mClasses);
  }
}

void StepLowering::addNorm(StringRef x, WeightAttr weight, float epsilon,
                           StringRef y, codegen::RowsFrom rows) {
  KernelSpec spec;
  spec.op = KernelOp::RmsNorm;
  spec.k = static_cast<uint64_t>(weight.getColumns());
  spec.epsilon = epsilon;
  spec.rowsFrom = rows;
  add(spec, {symbol(x), vectorFor(weight), symbol(y)});
}

Status StepLowering::addMatMul(StringRef x, ArrayRef<WeightAttr> weights,
                               ArrayRef<WeightAttr> biases, StringRef y,
                               KernelSpec shape, bool overlap) {
  shape.op = KernelOp::MatMul;
  shape.dtype = weights.front().getDtype();
  shape.k = static_cast<uint64_t>(weights.front().getColumns());
  for (WeightAttr weight : weights) {
    shape.n += static_cast<uint64_t>(weight.getRows());
  }
  shape.hasRowScales = isScaled(weights);
  shape.hasBias = !biases.empty();
  AIR_ASSIGN_OR_RETURN(Matrix matrix, matrixFor(shape, weights));
  shape.layout = matrix.layout;
  SmallVector<Attribute> bindings = {matrix.binding};
  if (shape.hasRowScales) {
    bindings.push_back(rowScalesOf(weights));
  }
  if (shape.hasBias) {
    bindings.push_back(vectorFor(biases));
  }
  bindings.push_back(symbol(y));
  addMatMulDispatches(shape, x, bindings, overlap);
  return Status::ok();
}

} // namespace air::compiler
