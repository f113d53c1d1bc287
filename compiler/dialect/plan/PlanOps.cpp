//===- PlanOps.cpp - verifiers of tensors, programs, placement --*- C++ -*-===//
#include "codegen/cuda/KvPages.h"
#include "compiler/dialect/plan/CudaSpecAttr.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/dialect/plan/PlanDialect.h"
#include "formats/abi/KernelAbi.h"
#include "formats/support/CheckedMath.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

using namespace mlir;
using namespace air::ir::plan;

// ---- custom assembly --------------------------------------------------------

// Parses an enum value that is written as a bare keyword.
template <typename AttrT>
static ParseResult parseEnum(OpAsmParser &parser, AttrT &attr) {
  using EnumT = decltype(attr.getValue());
  FailureOr<EnumT> value = FieldParser<EnumT>::parse(parser);
  if (failed(value)) {
    return failure();
  }
  attr = AttrT::get(parser.getContext(), *value);
  return success();
}

template <typename AttrT>
static void printEnum(OpAsmPrinter &printer, Operation *, AttrT attr) {
  printer << stringifyEnum(attr.getValue());
}

static ParseResult parseDType(OpAsmParser &parser, DTypeAttr &attr) {
  FailureOr<air::DType> dtype = air::ir::llm::parseDTypeName(parser);
  if (failed(dtype)) {
    return failure();
  }
  attr = DTypeAttr::get(parser.getContext(), *dtype);
  return success();
}

static void printDType(OpAsmPrinter &printer, Operation *, DTypeAttr attr) {
  std::string_view name = air::info(attr.getValue()).name;
  printer << StringRef(name.data(), name.size());
}

static ParseResult parseLayout(OpAsmParser &parser, LayoutAttr &attr) {
  FailureOr<air::Layout> layout = parseLayoutName(parser);
  if (failed(layout)) {
    return failure();
  }
  attr = LayoutAttr::get(parser.getContext(), *layout);
  return success();
}

static void printLayout(OpAsmPrinter &printer, Operation *, LayoutAttr attr) {
  std::string_view name = air::layoutName(attr.getValue());
  printer << StringRef(name.data(), name.size());
}

// Parses the bindings of a dispatch, for example
// (<read buffer @x>, <read tensor @w>, <write kv 0>).
static ParseResult parseBindings(OpAsmParser &parser, ArrayAttr &bindings) {
  SmallVector<Attribute> list;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Paren, [&] {
        BindingAttr binding;
        if (parser.parseCustomAttributeWithFallback(binding)) {
          return failure();
        }
        list.push_back(binding);
        return success();
      })) {
    return failure();
  }
  bindings = ArrayAttr::get(parser.getContext(), list);
  return success();
}

static void printBindings(OpAsmPrinter &printer, Operation *,
                          ArrayAttr bindings) {
  printer << "(";
  llvm::interleaveComma(bindings, printer, [&](Attribute binding) {
    printer.printStrippedAttrOrType(cast<BindingAttr>(binding));
  });
  printer << ")";
}

#define GET_OP_CLASSES
#include "compiler/dialect/plan/PlanOps.cpp.inc"

// ---- tensors and executables ------------------------------------------------

static LogicalResult verifyCopyOrConcat(TensorOp op, int64_t rows,
                                        int64_t columns) {
  bool isCopy = op.getRecipe() == Recipe::Copy;
  if (isCopy ? op.getSources().size() != 1 : op.getSources().size() < 2) {
    return op.emitOpError()
           << "recipe " << stringifyRecipe(op.getRecipe()) << " needs "
           << (isCopy ? "exactly 1 source" : "2 or more sources")
           << ", but has " << op.getSources().size();
  }
  int64_t sum = 0;
  for (WeightAttr source : op.getSources().getAsRange<WeightAttr>()) {
    if (!source.isMatrix() || source.getColumns() != columns) {
      return op.emitOpError()
             << "source '" << source.getName() << "' is a "
             << (source.isMatrix() ? "matrix" : "vector") << " of "
             << source.getColumns() << " columns; it must be a matrix of "
             << columns << " columns, like the tensor";
    }
    if (source.getDtype() != op.getDtype().getValue()) {
      return op.emitOpError()
             << "source '" << source.getName() << "' has dtype "
             << std::string(air::info(source.getDtype()).name)
             << ", but the tensor has "
             << std::string(air::info(op.getDtype().getValue()).name)
             << "; a recipe cannot convert one dtype to another";
    }
    sum += source.getRows();
  }
  if (sum != rows) {
    return op.emitOpError() << "sources have " << sum
                            << " rows together, but the tensor has " << rows;
  }
  return success();
}

static LogicalResult verifyVector(TensorOp op, int64_t rows, int64_t columns) {
  if (op.getDtype().getValue() != air::DType::F32 ||
      op.getLayout().getValue() != air::Layout::Rows || rows != 1) {
    return op.emitOpError("must have 1 row, dtype F32 and layout rows, because "
                          "its recipe is vector");
  }
  int64_t sum = 0;
  for (WeightAttr source : op.getSources().getAsRange<WeightAttr>()) {
    if (!source.isVector()) {
      return op.emitOpError()
             << "source '" << source.getName() << "' is a matrix of "
             << source.getRows() << "x" << source.getColumns()
             << ", but recipe vector takes vectors";
    }
    sum += source.getColumns();
  }
  if (sum != columns) {
    return op.emitOpError()
           << "sources have " << sum
           << " elements together, but the tensor has " << columns;
  }
  return success();
}

static LogicalResult verifyFrequencies(TensorOp op, int64_t rows,
                                       int64_t columns) {
  if (!op.getRope()) {
    return op.emitOpError(
        "recipe inverse_frequencies needs the attribute `rope`");
  }
  if (op.getDtype().getValue() != air::DType::F64 ||
      op.getLayout().getValue() != air::Layout::Rows || rows != 1 ||
      columns != op.getRope()->getDim() / 2) {
    return op.emitOpError()
           << "a tensor of recipe inverse_frequencies must have 1 x "
           << op.getRope()->getDim() / 2
           << " elements, dtype F64 and layout rows, but this one has " << rows
           << " x " << columns << " elements, dtype "
           << std::string(air::info(op.getDtype().getValue()).name)
           << " and layout "
           << std::string(air::layoutName(op.getLayout().getValue()));
  }
  // RoPE factors, if any, are named by the attribute `rope`, not by `sources`.
  if (!op.getSources().empty()) {
    return op.emitOpError() << "recipe inverse_frequencies takes no sources, "
                               "but has "
                            << op.getSources().size();
  }
  return success();
}

static LogicalResult verifyRowScales(TensorOp op, int64_t rows,
                                     int64_t columns) {
  if (op.getDtype().getValue() != air::DType::F32 ||
      op.getLayout().getValue() != air::Layout::Rows || rows != 1) {
    return op.emitOpError("must have 1 row, dtype F32 and layout rows, because "
                          "its recipe is row_scales");
  }
  int64_t sum = 0;
  for (WeightAttr source : op.getSources().getAsRange<WeightAttr>()) {
    if (!source.isMatrix()) {
      return op.emitOpError()
             << "source '" << source.getName()
             << "' is a vector, but recipe row_scales takes matrices";
    }
    sum += source.getRows();
  }
  if (sum != columns) {
    return op.emitOpError()
           << "sources have " << sum << " rows together, but the tensor has "
           << columns << " scales; it must have one for each row";
  }
  return success();
}

static LogicalResult verifyInterleave(TensorOp op, int64_t rows,
                                      int64_t columns) {
  if (op.getSources().size() != 2 || rows % 16 != 0) {
    return op.emitOpError()
           << "recipe interleave needs 2 sources and a multiple of 16 rows, "
              "but has "
           << op.getSources().size() << " sources and " << rows << " rows";
  }
  for (WeightAttr source : op.getSources().getAsRange<WeightAttr>()) {
    if (!source.isMatrix() || source.getColumns() != columns ||
        source.getRows() != rows / 2 ||
        source.getDtype() != op.getDtype().getValue()) {
      return op.emitOpError()
             << "source '" << source.getName() << "' is " << source.getRows()
             << "x" << source.getColumns() << " of dtype "
             << std::string(air::info(source.getDtype()).name)
             << "; it must be a matrix of " << rows / 2 << "x" << columns
             << " of dtype "
             << std::string(air::info(op.getDtype().getValue()).name);
    }
  }
  return success();
}

static LogicalResult verifyJoin(TensorOp op, int64_t rows, int64_t columns) {
  if (op.getSources().size() != 2 || columns % 2 != 0) {
    return op.emitOpError()
           << "recipe join needs 2 sources and an even number of columns, but "
              "has "
           << op.getSources().size() << " sources and " << columns
           << " columns";
  }
  for (WeightAttr source : op.getSources().getAsRange<WeightAttr>()) {
    if (!source.isMatrix() || source.getColumns() != columns / 2 ||
        source.getRows() != rows ||
        source.getDtype() != op.getDtype().getValue()) {
      return op.emitOpError()
             << "source '" << source.getName() << "' is " << source.getRows()
             << "x" << source.getColumns() << " of dtype "
             << std::string(air::info(source.getDtype()).name)
             << "; it must be a matrix of " << rows << "x" << columns / 2
             << " of dtype "
             << std::string(air::info(op.getDtype().getValue()).name);
    }
  }
  return success();
}

LogicalResult TensorOp::verify() {
  int64_t rows = static_cast<int64_t>(getRows());
  int64_t columns = static_cast<int64_t>(getColumns());
  LogicalResult made = success();
  switch (getRecipe()) {
  case Recipe::Copy:
  case Recipe::Concat:
    made = verifyCopyOrConcat(*this, rows, columns);
    break;
  case Recipe::Vector:
    made = verifyVector(*this, rows, columns);
    break;
  case Recipe::InverseFrequencies:
    made = verifyFrequencies(*this, rows, columns);
    break;
  case Recipe::RowScales:
    made = verifyRowScales(*this, rows, columns);
    break;
  case Recipe::Interleave:
    made = verifyInterleave(*this, rows, columns);
    break;
  case Recipe::Join:
    made = verifyJoin(*this, rows, columns);
    break;
  }
  if (failed(made)) {
    return failure();
  }
  if (getRope() && getRecipe() != Recipe::InverseFrequencies) {
    return emitOpError(
        "only the recipe inverse_frequencies may have the attribute `rope`");
  }
  air::Result<uint64_t> bytes = air::layoutBytes(
      getDtype().getValue(), getLayout().getValue(), getRows(), getColumns());
  if (!bytes) {
    return emitOpError() << bytes.status().message();
  }
  if (*bytes != getBytes()) {
    return emitOpError()
           << "bytes is " << getBytes()
           << ", but a tensor of this dtype, layout and shape takes " << *bytes;
  }
  if (getSegment().has_value() != getOffset().has_value()) {
    return emitOpError(
        "segment and offset must be given together or not at all");
  }
  if (getOffset() && *getOffset() % AIR_BINDING_ALIGNMENT != 0) {
    return emitOpError() << "offset " << *getOffset()
                         << " is not a multiple of " << AIR_BINDING_ALIGNMENT;
  }
  return success();
}

template <typename OpTy>
static LogicalResult checkSymbol(Operation *op, SymbolTableCollection &symbols,
                                 FlatSymbolRefAttr name) {
  if (!symbols.lookupNearestSymbolFrom<OpTy>(op->getParentOfType<ModuleOp>(),
                                             name.getAttr())) {
    return op->emitOpError()
           << name << " is not a " << OpTy::getOperationName();
  }
  return success();
}

LogicalResult TensorOp::verifySymbolUses(SymbolTableCollection &symbols) {
  if (!getSegmentAttr()) {
    return success();
  }
  if (failed(checkSymbol<SegmentOp>(*this, symbols, getSegmentAttr()))) {
    return failure();
  }
  auto segment = symbols.lookupNearestSymbolFrom<SegmentOp>(
      (*this)->getParentOp(), getSegmentAttr().getAttr());
  if (!air::rangeFits(*getOffset(), getBytes(), segment.getRawBytes())) {
    return emitOpError() << getBytes() << " bytes at offset " << *getOffset()
                         << " extend beyond the end of segment "
                         << getSegmentAttr() << " of " << segment.getRawBytes()
                         << " bytes";
  }
  return success();
}

LogicalResult ExecutableOp::verify() {
  StringRef last;
  for (auto entry : getEntries().getAsValueRange<StringAttr>()) {
    if (!last.empty() && entry <= last) {
      return emitOpError() << "entries must be sorted and unique, but '"
                           << entry << "' follows '" << last << "'";
    }
    last = entry;
  }
  return success();
}

LogicalResult ExecutableOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return getSegmentAttr()
             ? checkSymbol<SegmentOp>(*this, symbols, getSegmentAttr())
             : success();
}

// ---- buffers, KV cache and limits -------------------------------------------

LogicalResult BufferOp::verify() {
  if (getDevice() == 0 ? getFixed() || getZeroed()
                       : getMostRows().has_value()) {
    return emitOpError("the attributes 'fixed' and 'zeroed' are only for a "
                       "buffer of a GPU, and the attribute 'most' is only for "
                       "a buffer of the CPU");
  }
  if (getOffset().has_value() != getBytes().has_value()) {
    return emitOpError("offset and bytes must be given together or not at all");
  }
  if (getOffset() && *getOffset() % AIR_BINDING_ALIGNMENT != 0) {
    return emitOpError() << "offset " << *getOffset()
                         << " is not a multiple of " << AIR_BINDING_ALIGNMENT;
  }
  return success();
}

/// The number of elements of a head in the cache, including padding.
static uint64_t storedElements(KvOp op) {
  uint64_t elements = op.getHeadDim();
  return !op.getDevice()
             ? elements
             : air::alignUp(elements, air::codegen::cuda::paddedHeadDim(1));
}

int64_t KvOp::getCacheBytes() {
  uint64_t element = air::info(getDtype().getValue()).blockBytes;
  return static_cast<int64_t>(getHeads() * 2 * storedElements(*this) *
                              getPageTokens() * element);
}

int64_t KvOp::getPageBytes() {
  return static_cast<int64_t>(getCaches()) * getCacheBytes();
}

int64_t KvOp::getPages() {
  return static_cast<int64_t>(getSlots() *
                              air::ceilDiv(getContext(), getPageTokens()));
}

LogicalResult KvOp::verify() {
  air::DType dtype = getDtype().getValue();
  if (dtype != air::DType::F16 && dtype != air::DType::F32) {
    return emitOpError() << "dtype is " << std::string(air::info(dtype).name)
                         << "; it must be F16 or F32";
  }
  if (getDevice() && dtype != air::DType::F16) {
    return emitOpError() << "dtype is " << std::string(air::info(dtype).name)
                         << "; it must be F16 for a KV cache on a GPU";
  }
  if (getPageTokens() != AIR_KV_PAGE_TOKENS) {
    return emitOpError() << "page_tokens is " << getPageTokens()
                         << "; kernels support only " << AIR_KV_PAGE_TOKENS;
  }
  std::optional<uint64_t> bytes =
      air::checkedMul(getSlots(), air::ceilDiv(getContext(), getPageTokens()));
  for (uint64_t factor :
       {std::max(getCaches(), uint64_t{1}), getHeads(), storedElements(*this),
        getPageTokens(), uint64_t{2} * air::info(dtype).blockBytes}) {
    bytes = bytes ? air::checkedMul(*bytes, factor) : std::nullopt;
  }
  if (!bytes || *bytes > uint64_t{INT64_MAX}) {
    return emitOpError("the KV cache is larger than 2^63 - 1 bytes; reduce its "
                       "context or slots");
  }
  return success();
}

LogicalResult LimitsOp::verify() {
  if (getMaxOutputs() > getMaxTokens()) {
    return emitOpError() << "max_outputs is " << getMaxOutputs()
                         << "; it must be at most max_tokens, which is "
                         << getMaxTokens();
  }
  return success();
}

// ---- programs ---------------------------------------------------------------

LogicalResult ProgramOp::verify() {
  if (getMinTokens() > getMaxTokens()) {
    return emitOpError() << "min_tokens is " << getMinTokens()
                         << "; it must be at most max_tokens, which is "
                         << getMaxTokens();
  }
  for (Operation &op : getBody().front()) {
    if (!isa<StepOp>(op)) {
      return op.emitOpError(
          "is in a plan.program, which may hold only plan.step ops");
    }
  }
  return success();
}

/// Checks a dispatch of a GPU, except for the dispatch's launch and bindings,
/// which the pass verify-plan compares with those of the kernel.
static LogicalResult verifyGpuDispatch(DispatchOp op) {
  air::Result<air::codegen::cuda::CudaSpec> spec =
      cudaSpecFromAttr(op.getSpec());
  if (!spec) {
    return op.emitOpError() << "spec: " << spec.status().message();
  }
  if (op.getBaseTiles() != 1 || op.getTokensPerTile() != 0 ||
      op.getRowsPerTile() != 0 || op.getFirstTile() ||
      op.getScratchBytes() != 0 || op.getOverlap()) {
    return op.emitOpError("runs on a GPU, because it has a launch, so it must "
                          "have no tiles, no scratch_bytes and no overlap");
  }
  return success();
}

LogicalResult DispatchOp::verify() {
  if (getLaunch()) {
    return verifyGpuDispatch(*this);
  }
  air::Result<air::codegen::KernelSpec> spec = kernelSpecFromAttr(getSpec());
  if (!spec) {
    return emitOpError() << "spec: " << spec.status().message();
  }
  if (getFirstTile().has_value() != getEndTile().has_value()) {
    return emitOpError(
        "first_tile and end_tile must be given together or not at all");
  }
  if (getFirstTile() &&
      (getRowsPerTile() == 0 || *getFirstTile() >= *getEndTile() ||
       *getEndTile() > getBaseTiles())) {
    return emitOpError() << "first_tile is " << *getFirstTile()
                         << " and end_tile is " << *getEndTile()
                         << "; first_tile must be less than end_tile, and "
                            "end_tile must be at "
                            "most "
                         << (getRowsPerTile() == 0 ? 0 : getBaseTiles())
                         << ", the number of row tiles of the kernel";
  }
  std::vector<air::codegen::KernelBinding> wanted =
      air::codegen::kernelBindings(*spec);
  if (wanted.size() != getBindings().size()) {
    return emitOpError() << "has " << getBindings().size()
                         << " bindings, but the kernel takes " << wanted.size();
  }
  for (const auto &[want, attr] : llvm::zip_equal(wanted, getBindings())) {
    auto binding = cast<BindingAttr>(attr);
    BindingKind kind = kindOf(want);
    Access access = accessOf(want);
    if (binding.getKind() != kind || binding.getAccess() != access) {
      return emitOpError() << want.name << " is bound as " << binding
                           << ", but must be a " << stringifyBindingKind(kind)
                           << " for " << stringifyAccess(access);
    }
  }
  return success();
}

LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (auto binding : getBindings().getAsRange<BindingAttr>()) {
    LogicalResult found = success();
    if (binding.getKind() == BindingKind::Tensor) {
      found = checkSymbol<TensorOp>(*this, symbols, binding.getTarget());
    } else if (binding.getKind() == BindingKind::Buffer) {
      found = checkSymbol<BufferOp>(*this, symbols, binding.getTarget());
    }
    if (failed(found)) {
      return failure();
    }
  }
  return success();
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return checkSymbol<SegmentOp>(*this, symbols, getSegmentAttr());
}

// ---- placements -------------------------------------------------------------

LogicalResult PlacementOp::verify() {
  if (getDevice() && getDevice()->size() != getResident().size()) {
    return emitOpError() << "has " << getDevice()->size()
                         << " numbers in 'device' and " << getResident().size()
                         << " in 'resident'; both must have one number for "
                            "each segment";
  }
  for (int64_t bytes : getResident()) {
    if (bytes < 0) {
      return emitOpError()
             << "keeps " << bytes
             << " bytes of a segment in RAM; the number must be 0 or more";
    }
  }
  for (Operation &op : getBody().front()) {
    if (!isa<BudgetOp, BudgetItemOp, StreamOp, DeviceStreamOp, PredictionOp>(
            op)) {
      return op.emitOpError(
          "is in a plan.placement, which may hold only plan.budget, "
          "plan.budget_item, plan.stream, plan.device_stream and "
          "plan.prediction ops");
    }
  }
  return success();
}

LogicalResult StreamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return checkSymbol<SegmentOp>(*this, symbols, getSegmentAttr());
}

LogicalResult DeviceStreamOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return checkSymbol<SegmentOp>(*this, symbols, getSegmentAttr());
}
