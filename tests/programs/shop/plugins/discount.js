module.exports = (basket) => basket.total() * 0.9;
module.exports.kind = "discount";
