"""What words around numbers and wishes mean in any language: comparisons, money, units, exclusions."""
