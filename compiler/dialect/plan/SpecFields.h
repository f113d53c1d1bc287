//===- SpecFields.h - structs of fields <-> dictionaries --------*- C++ -*-===//
//
// Private to compiler/dialect/plan. Converts a struct whose fields are flags,
// numbers and enums to a dictionary attribute and back. Enums are stored by
// their names. The template parameters:
//   Names  has `static std::string_view of(E)` and `static bool parse(
//          std::string_view, E &)` for every enum E among the fields
//   Each   a callable; each(spec, fn) calls fn(name, field) for every field
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DIALECT_PLAN_SPECFIELDS_H
#define AIRPACK_COMPILER_DIALECT_PLAN_SPECFIELDS_H

#include "formats/support/Status.h"

#include "mlir/IR/Builders.h"

#include <limits>
#include <type_traits>

namespace air::ir::plan {

template <typename Names, typename T>
mlir::Attribute fieldToAttr(mlir::Builder &builder, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    return builder.getBoolAttr(value);
  } else if constexpr (std::is_integral_v<T>) {
    return builder.getI64IntegerAttr(static_cast<int64_t>(value));
  } else if constexpr (std::is_same_v<T, float>) {
    return builder.getF32FloatAttr(value);
  } else {
    std::string_view name = Names::of(value);
    return builder.getStringAttr(llvm::StringRef(name.data(), name.size()));
  }
}

/// Sets `value` from an attribute. Returns false if the attribute has the wrong
/// kind or is out of range.
template <typename Names, typename T>
bool fieldFromAttr(mlir::Attribute attr, T &value) {
  if constexpr (std::is_same_v<T, bool>) {
    auto flag = mlir::dyn_cast<mlir::BoolAttr>(attr);
    value = flag && flag.getValue();
    return static_cast<bool>(flag);
  } else if constexpr (std::is_integral_v<T>) {
    auto number = mlir::dyn_cast<mlir::IntegerAttr>(attr);
    if (!number || !number.getType().isSignlessInteger(64) ||
        number.getInt() < 0 ||
        static_cast<uint64_t>(number.getInt()) >
            std::numeric_limits<T>::max()) {
      return false;
    }
    value = static_cast<T>(number.getInt());
    return true;
  } else if constexpr (std::is_same_v<T, float>) {
    auto number = mlir::dyn_cast<mlir::FloatAttr>(attr);
    if (!number || !number.getType().isF32()) {
      return false;
    }
    value = number.getValue().convertToFloat();
    return true;
  } else {
    auto name = mlir::dyn_cast<mlir::StringAttr>(attr);
    return name && Names::parse({name.getValue().data(), name.size()}, value);
  }
}

/// Returns the field `op`, and all other fields of `spec` that differ from
/// their defaults.
template <typename Names, typename SpecT, typename Each>
mlir::DictionaryAttr specToAttr(mlir::MLIRContext *context, const SpecT &spec,
                                Each each) {
  mlir::Builder builder(context);
  const SpecT defaults;
  mlir::NamedAttrList all;
  mlir::NamedAttrList plain;
  each(spec, [&](llvm::StringRef name, auto value) {
    all.append(name, fieldToAttr<Names>(builder, value));
  });
  each(defaults, [&](llvm::StringRef name, auto value) {
    plain.append(name, fieldToAttr<Names>(builder, value));
  });
  mlir::NamedAttrList kept;
  for (mlir::NamedAttribute entry : all) {
    if (entry.getName() == "op" ||
        plain.get(entry.getName()) != entry.getValue()) {
      kept.append(entry);
    }
  }
  return kept.getDictionary(context);
}

/// Sets the fields of `spec` for which `attr` has an entry. A Corrupt error
/// names the entry that is unknown, of the wrong kind, or out of range, or says
/// that `op` is missing.
template <typename Names, typename SpecT, typename Each>
Status specFromAttr(mlir::DictionaryAttr attr, SpecT &spec, Each each) {
  size_t known = 0;
  std::string wrong;
  each(spec, [&](llvm::StringRef name, auto &value) {
    mlir::Attribute entry = attr.get(name);
    if (!entry) {
      return;
    }
    ++known;
    if (wrong.empty() && !fieldFromAttr<Names>(entry, value)) {
      wrong = name.str();
    }
  });
  if (!wrong.empty()) {
    return corruptError("the field '" + wrong +
                        "' of the kernel specification has a value of the "
                        "wrong kind or out of range");
  }
  if (!attr.contains("op")) {
    return corruptError("the kernel specification lacks the field 'op'");
  }
  if (known != attr.size()) {
    for (mlir::NamedAttribute entry : attr) {
      bool isKnown = false;
      each(spec, [&](llvm::StringRef name, auto &) {
        isKnown = isKnown || entry.getName() == name;
      });
      if (!isKnown) {
        return corruptError("'" + entry.getName().str() +
                            "' is not a field of a kernel specification");
      }
    }
  }
  return Status::ok();
}

} // namespace air::ir::plan

#endif // AIRPACK_COMPILER_DIALECT_PLAN_SPECFIELDS_H
