//===- LlmDialect.cpp - registration and attributes -------------*- C++ -*-===//
#include "compiler/dialect/llm/LlmDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace air::ir::llm;

#include "compiler/dialect/llm/LlmDialect.cpp.inc"
#include "compiler/dialect/llm/LlmEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "compiler/dialect/llm/LlmAttrs.cpp.inc"

void LlmDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "compiler/dialect/llm/LlmAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "compiler/dialect/llm/LlmOps.cpp.inc"
      >();
}

// ---- types ------------------------------------------------------------------

bool air::ir::llm::isActivation(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.isDynamicDim(0) &&
         !tensor.isDynamicDim(1) && tensor.getDimSize(1) > 0 &&
         tensor.getElementType().isF32() && !tensor.getEncoding();
}

bool air::ir::llm::isTokenIds(Type type) {
  return type == tokenIdsType(type.getContext());
}

RankedTensorType air::ir::llm::tokenIdsType(MLIRContext *context) {
  return RankedTensorType::get({ShapedType::kDynamic},
                               IntegerType::get(context, 32));
}

RankedTensorType air::ir::llm::activationType(MLIRContext *context,
                                              int64_t columns) {
  return RankedTensorType::get({ShapedType::kDynamic, columns},
                               Float32Type::get(context));
}

int64_t air::ir::llm::columnsOf(Value activation) {
  return cast<RankedTensorType>(activation.getType()).getDimSize(1);
}

// ---- attributes -------------------------------------------------------------

FailureOr<APFloat> air::ir::llm::parseF64(AsmParser &parser) {
  APFloat value(APFloat::IEEEdouble());
  if (parser.parseFloat(APFloat::IEEEdouble(), value)) {
    return failure();
  }
  return value;
}

FailureOr<air::DType> air::ir::llm::parseDTypeName(AsmParser &parser) {
  StringRef name;
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseKeyword(&name)) {
    return failure();
  }
  std::optional<air::DType> dtype =
      air::dtypeFromName(std::string_view(name.data(), name.size()));
  if (!dtype) {
    parser.emitError(where)
        << "'" << name << "' is not a dtype; name one such as F32 or Q4_K";
    return failure();
  }
  return *dtype;
}

static StringRef dtypeName(air::DType dtype) {
  std::string_view name = air::info(dtype).name;
  return {name.data(), name.size()};
}

Attribute DTypeAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess()) {
    return {};
  }
  FailureOr<air::DType> dtype = parseDTypeName(parser);
  if (failed(dtype) || parser.parseGreater()) {
    return {};
  }
  return get(parser.getContext(), *dtype);
}

void DTypeAttr::print(AsmPrinter &printer) const {
  printer << "<" << dtypeName(getValue()) << ">";
}

Attribute WeightAttr::parse(AsmParser &parser, Type) {
  std::string tensor;
  if (parser.parseLess() || parser.parseString(&tensor) ||
      parser.parseComma()) {
    return {};
  }
  FailureOr<air::DType> dtype = parseDTypeName(parser);
  SmallVector<int64_t> shape;
  SMLoc where = parser.getCurrentLocation();
  if (failed(dtype) || parser.parseComma() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false,
                                /*withTrailingX=*/false)) {
    return {};
  }
  std::string scale;
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseKeyword("scale") || parser.parseString(&scale))) {
    return {};
  }
  if (parser.parseGreater()) {
    return {};
  }
  return parser.getChecked<WeightAttr>(
      where, parser.getContext(), StringRef(tensor), *dtype,
      ArrayRef<int64_t>(shape), StringRef(scale));
}

void WeightAttr::print(AsmPrinter &printer) const {
  printer << "<\"";
  ::llvm::printEscapedString(getName(), printer.getStream());
  printer << "\", " << dtypeName(getDtype()) << ", ";
  printer.printDimensionList(getShape());
  if (!getScale().empty()) {
    printer << ", scale \"";
    ::llvm::printEscapedString(getScale(), printer.getStream());
    printer << '"';
  }
  printer << ">";
}

LogicalResult WeightAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef tensor, air::DType dtype,
                                 ArrayRef<int64_t> shape, StringRef scale) {
  if (tensor.empty()) {
    return emitError() << "a weight needs the name of a tensor";
  }
  if (shape.size() != 1 && shape.size() != 2) {
    return emitError() << "tensor '" << tensor << "' has " << shape.size()
                       << " extents; weights have 1 (vector) or 2 (matrix)";
  }
  for (int64_t extent : shape) {
    if (extent <= 0) {
      return emitError() << "tensor '" << tensor << "' has an extent of "
                         << extent << "; extents must be positive";
    }
  }
  if (!scale.empty() && shape.size() != 2) {
    return emitError() << "tensor '" << tensor << "' has the scale '" << scale
                       << "', but only matrices may have a scale";
  }
  int64_t most = kMaxWeightElements;
  for (int64_t extent : shape) {
    most /= extent;
  }
  if (most == 0) {
    return emitError() << "tensor '" << tensor << "' has more than "
                       << kMaxWeightElements << " elements";
  }
  uint32_t block = air::info(dtype).blockElements;
  if (shape.back() % block != 0) {
    return emitError() << "tensor '" << tensor << "' has rows of "
                       << shape.back() << " elements; " << dtypeName(dtype)
                       << " needs a multiple of " << block;
  }
  return success();
}

LogicalResult YarnAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               APFloat factor, APFloat originalContext,
                               APFloat betaFast, APFloat betaSlow,
                               APFloat mix) {
  for (auto [field, value] :
       {std::pair("factor", factor),
        std::pair("original_context", originalContext),
        std::pair("beta_fast", betaFast), std::pair("beta_slow", betaSlow)}) {
    if (!value.isFinite() || value.isNegative() || value.isZero()) {
      return emitError() << "the yarn parameter " << field << " is "
                         << value.convertToDouble()
                         << "; it must be finite and positive";
    }
  }
  if (!mix.isFinite()) {
    return emitError() << "the yarn parameter mix is " << mix.convertToDouble()
                       << "; it must be finite";
  }
  return success();
}

LogicalResult RopeAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               RopeKind, int64_t dim, APFloat base,
                               APFloat linearFactor, WeightAttr factors,
                               APFloat magnitude, YarnAttr) {
  if (dim <= 0 || dim % 2 != 0) {
    return emitError() << "rope dim is " << dim
                       << "; it must be even and positive";
  }
  for (auto [field, value] :
       {std::pair("base", base), std::pair("linear_factor", linearFactor),
        std::pair("magnitude", magnitude)}) {
    if (!value.isFinite() || value.isNegative() || value.isZero()) {
      return emitError() << "rope " << field << " is "
                         << value.convertToDouble()
                         << "; it must be finite and positive";
    }
  }
  if (factors && (!factors.isVector() || factors.getColumns() != dim / 2)) {
    return emitError() << "rope factors '" << factors.getName() << "' have "
                       << factors.getColumns() << " elements; there must be "
                       << dim / 2 << ", one for each pair that rope rotates";
  }
  return success();
}

LogicalResult HyperparametersAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, StringRef,
    StringRef architecture, int64_t vocabulary, int64_t width, int64_t layers,
    int64_t heads, int64_t kvHeads, int64_t headDim, int64_t ffnWidth,
    int64_t trainedContext, int64_t parameters) {
  if (architecture.empty()) {
    return emitError() << "a model needs the name of its architecture";
  }
  for (auto [field, value] :
       {std::pair("vocabulary", vocabulary), std::pair("width", width),
        std::pair("layers", layers), std::pair("heads", heads),
        std::pair("kv_heads", kvHeads), std::pair("head_dim", headDim),
        std::pair("ffn_width", ffnWidth),
        std::pair("trained_context", trainedContext),
        std::pair("parameters", parameters)}) {
    if (value <= 0) {
      return emitError() << "the model's " << field << " is " << value
                         << "; it must be positive";
    }
  }
  if (heads % kvHeads != 0) {
    return emitError()
           << "the model's " << heads << " heads cannot share " << kvHeads
           << " kv_heads; the number of heads must be a multiple of kv_heads";
  }
  return success();
}
